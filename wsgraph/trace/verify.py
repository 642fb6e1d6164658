"""``verify``: sample symmetries of a model and see whether its outputs stay."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from wsgraph.space import WeightSpace
from wsgraph.space.draws import normal, uniform
from wsgraph.trace.export import evaluating
from wsgraph.trace.interpreter import as_arguments, trace
from wsgraph.trace.nested import map_tensors, tensors_of
from wsgraph.trace.widened import Widened


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

    A copy of the model in float64 is used, in which every tensor of equal entries (fresh biases and norms) is replaced
    by random numbers first, since those would hide mistakes. Expect rounding errors: 1e-9 or less.

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
    args, kwargs = as_arguments(model, example_inputs)
    space = trace(model, example_inputs) if space is None else space
    space = _of_one_width(space)
    twin = copy.deepcopy(model).double()
    state = _without_constants(twin.state_dict(), generator)
    args, kwargs = map_tensors(lambda tensor, _: _random_like(tensor, generator), (args, kwargs))
    before = _outputs(twin, state, args, kwargs)
    worst = 0.0
    for _ in range(num_samples):
        moved = space.random_symmetry(generator, max_scale=max_scale, linear=True)(state)
        after = _outputs(twin, moved, args, kwargs)
        worst = max([worst, *(relative_change(a, b) for a, b in zip(after, before, strict=True))])
    return worst


def _of_one_width(space: WeightSpace) -> WeightSpace:
    """The space of the network cast to one floating dtype."""
    return replace(space, tensors=tuple(replace(t, dtype="float") if t.is_floating else t for t in space.tensors))


def relative_change(after: Tensor, before: Tensor) -> float:
    """Max |after - before| / max |before|; infinite where either is not finite."""
    if not bool(torch.isfinite(after).all() and torch.isfinite(before).all()):
        return float("inf")
    size = before.abs().max().item() if before.numel() else 0.0
    change = (after - before).abs().max().item() if before.numel() else 0.0
    return change / size if size else (float("inf") if change else 0.0)


def _outputs(model: nn.Module, state: dict[str, Tensor], args: Any, kwargs: Any) -> list[Tensor]:
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            tensor.copy_(state[name])
    with evaluating(model), torch.no_grad(), Widened():
        return [t.double() for t in tensors_of(model(*copy.deepcopy(args), **copy.deepcopy(kwargs)))]


def _without_constants(state: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """Copies of the tensors, those of equal entries replaced by numbers in [0.5, 1.5]."""
    fresh: dict[int, Tensor] = {}
    result = {}
    for name, tensor in state.items():
        if tensor.is_floating_point() and tensor.numel() and bool((tensor == tensor.reshape(-1)[0]).all()):
            key = tensor.data_ptr()
            if key not in fresh:
                noise = uniform(*tensor.shape, generator=generator)
                fresh[key] = (noise + 0.5).to(tensor.device)
            result[name] = fresh[key]
        else:
            result[name] = tensor.clone()
    return result


def _random_like(value: Tensor, generator: torch.Generator) -> Tensor:
    if not value.is_floating_point():
        return value
    return normal(*value.shape, generator=generator).to(value.device)
