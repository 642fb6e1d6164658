"""``verify``: sample symmetries of a model and see whether its outputs stay."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from wsgraph.space import WeightSpace
from wsgraph.trace.interpreter import as_arguments, trace
from wsgraph.trace.twin import Twin


def verify(
    model: nn.Module,
    space: WeightSpace | None = None,
    *,
    example_inputs: Any = None,
    num_samples: int = 3,
    max_scale: float = 10.0,
    generator: torch.Generator | None = None,
) -> float:
    """The largest relative change of a model's outputs under random symmetries of its weight space.

    A copy of the model in float64 is used, in which all blocks and inputs of equal entries (fresh biases and norms) are
    replaced by random numbers first, since those would hide mistakes. Expect rounding errors: 1e-9 or less.

    Args:
        model: The model; it is not changed.
        space: Its weight space; traced if not given.
        example_inputs: As for :func:`wsgraph.trace`.
        num_samples: Number of symmetries to try.
        max_scale: Magnitudes of multipliers lie in [1 / max_scale, max_scale].
        generator: Source of randomness; seeded with 0 if not given.

    Returns:
        max |y' - y| / max |y| over all outputs and samples; infinite where an output is not finite.

    Example:
        >>> import torch, wsgraph
        >>> model = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3))
        >>> wsgraph.verify(model) < 1e-9
        True
    """
    generator = generator or torch.Generator().manual_seed(0)
    arguments = as_arguments(model, example_inputs)
    space = trace(model, example_inputs) if space is None else space
    twin = Twin(model, space, arguments, torch.float64, generator)
    before, worst = twin(twin.weights), 0.0
    for _ in range(num_samples):
        symmetry = twin.space.random_symmetry(generator, max_scale=max_scale, linear=True, shifts=True)
        after = twin(symmetry.act(twin.weights))
        worst = max([worst, *(relative_change(a, b) for a, b in zip(after, before, strict=True))])
    return worst


def relative_change(after: Tensor, before: Tensor) -> float:
    """Max |after - before| / max |before|; infinite where either is not finite."""
    after, before = after.double(), before.double()
    if not bool(torch.isfinite(after).all() and torch.isfinite(before).all()):
        return float("inf")
    size = before.abs().max().item() if before.numel() else 0.0
    change = (after - before).abs().max().item() if before.numel() else 0.0
    return change / size if size else (float("inf") if change else 0.0)
