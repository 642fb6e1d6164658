"""Columns as targets: numbers in units of their spread, or one of several values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from wsgraph.datasets import WeightDataset
from wsgraph.errors import WSGraphError

LOG_RANGE = 100.0
"""Positive numbers whose largest is more than this many times the smallest are predicted by their logarithms."""


@dataclass(frozen=True)
class Target:
    """What is to be predicted of one column.

    Attributes:
        name: Of the column.
        values: The values that it takes; None for numbers.
        log: Whether numbers count by their logarithm.
        mean: Of the numbers (their logarithms) in the training set.
        std: Their standard deviation there.
    """

    name: str
    values: tuple[Any, ...] | None = None
    log: bool = False
    mean: float = 0.0
    std: float = 1.0

    @classmethod
    def of_column(cls, dataset: WeightDataset, name: str) -> Target:
        """The target that suits a column of a training set.

        Raises:
            WSGraphError: There is no such column, all networks agree in it, or a number is not finite.
        """
        if name not in dataset.table.columns:
            raise WSGraphError(f"There is no column {name!r}; there are {', '.join(map(repr, dataset.table))}.")
        column = dataset.table[name]
        distinct = sorted(column.unique().tolist(), key=str)
        if len(distinct) < 2:
            raise WSGraphError(f"All networks have the same {name!r}: {distinct}. There is nothing to predict.")
        if column.dtype.kind not in "iuf":
            return cls(name, tuple(distinct))
        numbers = column.to_numpy(dtype=np.float64)
        if not np.isfinite(numbers).all():
            raise WSGraphError(f"Column {name!r} has numbers that are not finite; leave them out with where().")
        log = bool(numbers.min() > 0 and numbers.max() > LOG_RANGE * numbers.min())
        numbers = np.log(numbers) if log else numbers
        return cls(name, None, log, float(numbers.mean()), float(numbers.std()))

    @property
    def channels(self) -> int:
        """How many outputs of a model it takes."""
        return 1 if self.values is None else len(self.values)

    def standard(self, numbers: Tensor) -> Tensor:
        """Numbers (or codes) as a model predicts them."""
        if self.values is not None:
            return numbers
        return ((numbers.log() if self.log else numbers) - self.mean) / self.std

    def loss(self, outputs: Tensor, numbers: Tensor) -> Tensor:
        """Cross-entropy, or the mean squared error in units of the variance, of outputs ``[B, channels]``."""
        if self.values is not None:
            return F.cross_entropy(outputs, numbers)
        return F.mse_loss(outputs[:, 0], self.standard(numbers).to(outputs))

    def predict(self, outputs: Tensor) -> Tensor:
        """The most likely codes ``[B]``, or the predicted numbers in the units of the column."""
        if self.values is not None:
            return outputs.argmax(1)
        numbers = outputs[:, 0] * self.std + self.mean
        return torch.exp(numbers) if self.log else numbers

    def to_dict(self) -> dict[str, Any]:
        """What the constructor takes, of types that JSON has."""
        found = asdict(self)
        return {**found, "values": None if self.values is None else list(self.values)}

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> Target:
        """The inverse of :meth:`to_dict`."""
        values = found["values"]
        return cls(**{**found, "values": None if values is None else tuple(values)})
