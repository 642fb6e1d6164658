"""Predict how well networks generalise, from their weights alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import KendallRankCorrCoef, MetricCollection, R2Score

from wsgraph.graph import NeuronGraph
from wsgraph.space import WeightSpace
from wsgraph.tasks.task import Task


class PredictGeneralization(Task):
    r"""Predict a number in [0, 1], such as the test accuracy, as in Unterthiner et al. (2020),
    `arXiv:2002.11448 <https://arxiv.org/abs/2002.11448>`_.

    The loss is the binary cross-entropy of σ(model(W)) against the number; Kendall's rank correlation τ_b and the
    coefficient of determination R² are measured.

    Args:
        space: The weight space of the networks.
        family: Short name of the model's family.
        target: The column to predict.
        **options: Of :class:`Task`.
    """

    monitor = "val_kendall"

    def __init__(
        self, space: WeightSpace, family: str = "dualflow", *, target: str = "test_accuracy", **options: Any
    ) -> None:
        super().__init__(space, family, out_channels=1, **options)
        self.target = target
        self.measure_by(MetricCollection({"kendall": KendallRankCorrCoef(), "r2": R2Score()}))

    @property
    def columns(self) -> tuple[str, ...]:
        """See :class:`Task`."""
        return (self.target,)

    def arguments(self) -> dict[str, Any]:
        """See :class:`Task`."""
        return {**super().arguments(), "target": self.target}

    def predict(self, graphs: NeuronGraph) -> Tensor:
        """The predicted numbers, ``[B]``."""
        return torch.sigmoid(self(graphs)[:, 0])

    def loss(self, batch: NeuronGraph) -> Tensor:
        """Binary cross-entropy."""
        return F.binary_cross_entropy_with_logits(self(batch)[:, 0], getattr(batch, self.target).to(self.dtype))

    def measure(self, batch: NeuronGraph, part: str) -> None:
        """Kendall's τ and R²."""
        self.update_metrics(part, self.predict(batch), getattr(batch, self.target).to(self.dtype))
