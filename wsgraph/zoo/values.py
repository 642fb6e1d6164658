"""Values to be fitted, of any kind of signal: what is accepted, and what is said of anything else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from wsgraph.errors import WSGraphError


@dataclass(frozen=True)
class Kind:
    """A kind of signal, in the words of its errors.

    Attributes:
        name: Of many of them.
        forms: The shapes that are accepted.
        ndims: Their numbers of axes.
        hint: What to do if the shape is another.
        least: The least that there must be.
        whole: The dtype of whole numbers that is accepted, if any.
        peak: What whole numbers are divided by.
    """

    name: str
    forms: str
    ndims: tuple[int, ...]
    hint: str
    least: str
    whole: torch.dtype | None = None
    peak: int = 1

    def floating(self, values: Tensor | ArrayLike, dtype: torch.dtype) -> Tensor:
        """The values as a tensor of a floating dtype.

        Raises:
            WSGraphError: They are of another shape or dtype, empty, or not finite.
        """
        found = values.detach() if isinstance(values, Tensor) else self._from_array(values)
        shape = list(found.shape)
        if found.ndim not in self.ndims:
            raise WSGraphError(f"Expected {self.name} {self.forms}, but their shape is {shape}; {self.hint}.")
        if found.numel() == 0:
            raise WSGraphError(f"Expected at least one {self.least}, but the shape is {shape}.")
        if found.dtype == self.whole:
            return found.to(dtype) / self.peak
        if not found.is_floating_point():
            kinds = "floating" if self.whole is None else f"{str(self.whole).removeprefix('torch.')} or floating"
            raise WSGraphError(f"Expected {kinds} {self.name}, but they are {found.dtype}; convert them to either.")
        if not found.isfinite().all():
            bad = (~found.isfinite()).nonzero()[0].tolist()
            value = found[tuple(bad)].item()
            raise WSGraphError(f"Expected finite {self.name}, but the value at index {bad} is {value}.")
        return found.to(dtype)

    def _from_array(self, values: ArrayLike) -> Tensor:
        try:
            return torch.from_numpy(np.array(values))
        except (TypeError, ValueError) as error:
            raise WSGraphError(f"Expected {self.name} as a tensor or a regular array of numbers: {error}") from error
