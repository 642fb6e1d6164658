"""Name what an implicit neural representation shows, from its weights alone."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional as F
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from wsgraph.graph import NeuronGraph
from wsgraph.space import WeightSpace
from wsgraph.tasks.task import Task


class ClassifyINRs(Task):
    """Classify networks by a column of whole numbers, such as the digit that an INR shows.

    The loss is the cross-entropy; the share of right answers is measured.

    Args:
        space: The weight space of the networks.
        family: Short name of the model's family.
        num_classes: Number of classes.
        target: The column with classes from 0 to ``num_classes`` - 1.
        **options: Of :class:`Task`.
    """

    monitor = "val_accuracy"

    def __init__(
        self,
        space: WeightSpace,
        family: str = "dualflow",
        *,
        num_classes: int = 10,
        target: str = "label",
        **options: Any,
    ) -> None:
        super().__init__(space, family, out_channels=num_classes, **options)
        self.target, self.num_classes = target, num_classes
        self.measure_by(MetricCollection({"accuracy": MulticlassAccuracy(num_classes, average="micro")}))

    @property
    def columns(self) -> tuple[str, ...]:
        """See :class:`Task`."""
        return (self.target,)

    def arguments(self) -> dict[str, Any]:
        """See :class:`Task`."""
        return {**super().arguments(), "num_classes": self.num_classes, "target": self.target}

    def loss(self, batch: NeuronGraph) -> Tensor:
        """Cross-entropy."""
        return F.cross_entropy(self(batch), getattr(batch, self.target))

    def measure(self, batch: NeuronGraph, part: str) -> None:
        """The share of right answers."""
        self.update_metrics(part, self(batch), getattr(batch, self.target))
