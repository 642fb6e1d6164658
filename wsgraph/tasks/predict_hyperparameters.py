"""Predict with which hyperparameters networks were trained, from their weights alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torchmetrics import Metric, R2Score
from torchmetrics.classification import MulticlassAccuracy

from wsgraph.graph import NeuronGraph
from wsgraph.space import WeightSpace
from wsgraph.tasks.target import Target
from wsgraph.tasks.task import Task


class PredictHyperparameters(Task):
    """Predict several columns at once: numbers by regression, values by classification.

    The loss is the sum over columns of the mean squared error in units of the variance, or of the cross-entropy. R² is
    measured of numbers, the share of right answers of values, and the mean of all of these as ``score``.

    Args:
        space: The weight space of the networks.
        family: Short name of the model's family.
        targets: What to predict: see :meth:`Target.of_column`; or dictionaries of what these hold.
        **options: Of :class:`Task`.
    """

    monitor = "val_score"

    def __init__(
        self,
        space: WeightSpace,
        family: str = "dualflow",
        *,
        targets: Sequence[Target | dict[str, Any]],
        **options: Any,
    ) -> None:
        own = [t if isinstance(t, Target) else Target.from_dict(t) for t in targets]
        super().__init__(space, family, out_channels=sum(t.channels for t in own), **options)
        self.targets = own
        self.metrics = nn.ModuleDict({part: nn.ModuleList(map(_metric, own)) for part in ("val", "test")})

    @property
    def columns(self) -> tuple[str, ...]:
        """See :class:`Task`."""
        return tuple(t.name for t in self.targets if t.values is None)

    @property
    def categories(self) -> dict[str, tuple[Any, ...]]:
        """See :class:`Task`."""
        return {t.name: t.values for t in self.targets if t.values is not None}

    def arguments(self) -> dict[str, Any]:
        """See :class:`Task`."""
        return {**super().arguments(), "targets": [t.to_dict() for t in self.targets]}

    def outputs(self, graphs: NeuronGraph) -> list[Tensor]:
        """The outputs for each target, ``[B, channels]``."""
        return list(self(graphs).split([t.channels for t in self.targets], dim=1))

    def predict(self, graphs: NeuronGraph) -> dict[str, Tensor]:
        """For each column the predicted numbers, or codes of values, ``[B]``."""
        return {t.name: t.predict(found) for t, found in zip(self.targets, self.outputs(graphs), strict=True)}

    def loss(self, batch: NeuronGraph) -> Tensor:
        """The sum of the losses of all columns."""
        pairs = zip(self.targets, self.outputs(batch), strict=True)
        return torch.stack([t.loss(found, getattr(batch, t.name)) for t, found in pairs]).sum()

    def measure(self, batch: NeuronGraph, part: str) -> None:
        """R², or the share of right answers, of each column."""
        for target, found, metric in zip(self.targets, self.outputs(batch), self._metrics(part), strict=True):
            true = target.standard(getattr(batch, target.name))
            metric.update(*((found[:, 0], true.to(found)) if target.values is None else (found, true)))

    def on_validation_epoch_end(self) -> None:
        """Log the measures."""
        self._log_all("val")

    def on_test_epoch_end(self) -> None:
        """Log the measures."""
        self._log_all("test")

    def _log_all(self, part: str) -> None:
        metrics = self._metrics(part)
        scores = [metric.compute() for metric in metrics]
        for target, metric, score in zip(self.targets, metrics, scores, strict=True):
            self.log(f"{part}_{'r2' if target.values is None else 'accuracy'}_{target.name}", score)
            metric.reset()
        self.log(f"{part}_score", torch.stack(scores).mean(), prog_bar=True)

    def _metrics(self, part: str) -> list[Metric]:
        return list(cast(nn.ModuleList, self.metrics[part]))  # type: ignore[arg-type]


def _metric(target: Target) -> Metric:
    return R2Score() if target.values is None else MulticlassAccuracy(target.channels, average="micro")
