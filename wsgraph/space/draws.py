"""Random numbers in double precision, drawn where their generator lives: on the CPU, or on a GPU."""

from __future__ import annotations

from typing import TypedDict

import torch
from torch import Tensor


class _Kind(TypedDict):
    dtype: torch.dtype
    device: torch.device


def uniform(*shape: int, generator: torch.Generator | None) -> Tensor:
    """Numbers in [0, 1), float64."""
    return torch.rand(shape, generator=generator, **_kind(generator))


def normal(*shape: int, generator: torch.Generator | None) -> Tensor:
    """Standard normal numbers, float64."""
    return torch.randn(shape, generator=generator, **_kind(generator))


def whole(low: int, high: int, *shape: int, generator: torch.Generator | None) -> Tensor:
    """Whole numbers from ``low`` to ``high``, both included, float64."""
    return torch.randint(low, high + 1, shape, generator=generator, **_kind(generator))


def device_of(generator: torch.Generator | None) -> torch.device:
    """Where a generator lives; the CPU for the global one."""
    return torch.device("cpu") if generator is None else generator.device


def _kind(generator: torch.Generator | None) -> _Kind:
    return {"dtype": torch.float64, "device": device_of(generator)}
