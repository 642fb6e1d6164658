"""In which floating types the laws are tried, and how exactly they must hold there."""

from collections.abc import Iterator, Mapping

import torch

Tolerance = float | Mapping[torch.dtype, float]
"""The largest relative error: one number for float64, with a looser one for float32; or one for each type to try."""

LOOSER_IN_FLOAT32 = 1e5


def limits(tolerance: Tolerance) -> Iterator[tuple[torch.dtype, float]]:
    """The types to try, with the largest relative error in each."""
    if not isinstance(tolerance, Mapping):
        tolerance = {torch.float64: tolerance, torch.float32: LOOSER_IN_FLOAT32 * tolerance}
    yield from tolerance.items()


def strictest(tolerance: Tolerance) -> float:
    """The smallest of the errors allowed: what must differ at all must differ by much more than that."""
    return min(limit for _, limit in limits(tolerance))


def short(dtype: torch.dtype) -> str:
    """``"float32"`` for ``torch.float32``."""
    return str(dtype).removeprefix("torch.")
