"""Symmetries against the function of the network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from wsgraph.space import Symmetry, WeightSpace
from wsgraph.space.across import crossed_order
from wsgraph.space.draws import uniform
from wsgraph.testing.moves import can_move, draw, refuse_without_symmetry, seeded
from wsgraph.testing.parts import Part, assert_close, assert_finite, deviation
from wsgraph.testing.precision import Tolerance, limits, short, strictest
from wsgraph.testing.runner import MIN_SPREAD, name
from wsgraph.trace import trace
from wsgraph.trace.interpreter import as_arguments
from wsgraph.trace.twin import Twin

T = TypeVar("T")

MAX_SUSPECTS = 64


def assert_function_preserved(
    model: nn.Module,
    space: WeightSpace | None = None,
    *,
    example_inputs: Any = None,
    num_samples: int = 3,
    max_scale: float = 10.0,
    generator: torch.Generator | None = None,
    tolerance: Tolerance = 1e-9,
) -> None:
    """Random symmetries of its weight space leave the outputs of a model alone.

    A copy of the model runs, in evaluation mode, in float64 and float32. Blocks and inputs of equal entries (fresh
    biases and norms) are replaced by random numbers first, since they hide mistakes.

    Args:
        model: Any module; it is not changed.
        space: Its weight space; traced if not given.
        example_inputs: As for :func:`wsgraph.trace`.
        num_samples: Number of symmetries to try.
        max_scale: Magnitudes of multipliers lie in [1 / max_scale, max_scale].
        generator: Source of randomness; seeded with 0 if not given.
        tolerance: Largest max |y' - y| / max |y| in float64, 1e5 times as much in float32; or one for each type.

    Raises:
        AssertionError: The outputs change, with the groups and scale classes that change them on their own; or the
            test is empty, since the space has no symmetry, or the outputs do not depend on the weights that it moves.

    Example:
        >>> from torch import nn
        >>> from wsgraph.testing import assert_function_preserved
        >>> assert_function_preserved(nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3)))
    """
    __tracebackhide__ = True
    generator = seeded(generator)
    arguments = as_arguments(model, example_inputs)
    space = trace(model, example_inputs) if space is None else space
    if not space.shifts:
        refuse_without_symmetry(space)
    for dtype, limit in limits(tolerance):
        twin = Twin(model, space, arguments, dtype, generator)
        before = _outputs(twin, twin.weights)
        _refuse_blind(twin, before, strictest(tolerance), generator)
        for _ in range(num_samples):
            symmetry = draw(twin.space, twin.weights, generator, max_scale, linear=True, shifts=True)
            after = _outputs(twin, symmetry.act(twin.weights))
            if deviation(after, before).error > limit:
                culprits = [words for words, g in _factors(symmetry) if _breaks(twin, g, before, limit)]
                advice = f" Already broken by {', or by '.join(culprits)}." if culprits else ""
                what = f"{name(model)} does not compute the same under a symmetry of {space!r} ({short(dtype)})"
                assert_close(after, before, limit, what, advice)


def _outputs(twin: Twin, weights: Tensor) -> list[Part]:
    """The model's outputs, one part each."""
    __tracebackhide__ = True
    outputs = [output for output in twin(weights) if output.numel()]
    parts = [_part(number, output.detach()) for number, output in enumerate(outputs)]
    if not parts:
        raise AssertionError(f"{name(twin.model)} returns no tensors, which proves nothing.")
    assert_finite(parts, f"{name(twin.model)} returns numbers that are not finite")
    return parts


def _part(number: int, values: Tensor) -> Part:
    return Part(values.double(), lambda index: f"entry {list(index)} of output {number}")


def _refuse_blind(twin: Twin, before: list[Part], limit: float, generator: torch.Generator) -> None:
    """Fail if other weights give the same outputs."""
    __tracebackhide__ = True
    space, weights = twin.space, twin.weights.clone()
    numbers = range(len(space.blocks))
    for i in [i for i in numbers if can_move(space, i)] or numbers:
        part = weights[space.slices[i]]
        part.mul_(1 + 0.1 * uniform(*part.shape, generator=generator).to(part))
    if deviation(_outputs(twin, weights), before).error <= MIN_SPREAD * limit:
        raise AssertionError(
            f"The outputs of {name(twin.model)} do not depend on the weights that symmetries move, which proves "
            "nothing: give it random weights, or other example_inputs."
        )


def _factors(symmetry: Symmetry) -> Iterator[tuple[str, Symmetry]]:
    """What a symmetry consists of, one group or class at a time, in words."""
    space, identity = symmetry.space, symmetry.space.identity()
    for i, group in list(enumerate(space.groups))[:MAX_SUSPECTS]:
        yield f"permuting group {group.name!r} alone", replace(identity, orders=_orders(symmetry, i))
    for i, scale_class in list(enumerate(space.scales))[:MAX_SUSPECTS]:
        multipliers = _only(symmetry.multipliers, i, identity.multipliers)
        yield f"scaling class {scale_class.name!r} alone", replace(identity, multipliers=multipliers)
    for i, phase in list(enumerate(space.phases))[:MAX_SUSPECTS]:
        yield f"turning {phase.name!r} alone", replace(identity, turns=_only(symmetry.turns, i, identity.turns))
    for i in [i for i, matrix in enumerate(symmetry.matrices) if matrix is not None][:MAX_SUSPECTS]:
        matrices = _only(symmetry.matrices, i, identity.matrices)
        yield f"a matrix on group {space.groups[i].name!r} alone", replace(identity, matrices=matrices)
    for i, shift in list(enumerate(space.shifts))[:MAX_SUSPECTS]:
        none = (None,) * len(space.shifts)
        shifts = _only(symmetry.shifts, i, none)
        yield f"shifting {space.blocks[shift.block].tensor!r} alone", replace(identity, shifts=shifts)


def _only(values: tuple[T, ...], i: int, others: tuple[T, ...]) -> tuple[T, ...]:
    """One of the values, among others."""
    return (*others[:i], values[i], *others[i + 1 :])


def _orders(symmetry: Symmetry, moved: int) -> tuple[Tensor, ...]:
    """Orders of all groups in which the units of one move (within their pieces), and take their parts along."""
    space = symmetry.space
    orders: dict[int, Tensor] = {}

    def fill(i: int) -> None:
        size, parent = space.groups[i].size, space.groups[i].parent
        if parent is not None and parent not in orders:
            fill(parent)
        if (across := space.groups[i].across) is not None:
            if across not in orders:
                fill(across)
            orders[i] = crossed_order(space, i, orders)
            return
        above = torch.zeros(1, dtype=torch.long) if parent is None else orders[parent]
        width = size // max(len(above), 1)
        within = torch.arange(size) if i != moved else symmetry.orders[i]
        within = within.reshape(len(above), -1) % max(width, 1)
        orders[i] = (above[:, None] * width + within).reshape(-1)

    for i in range(len(space.groups)):
        fill(i)
    return tuple(orders[i] for i in range(len(space.groups)))


def _breaks(twin: Twin, symmetry: Symmetry, before: list[Part], limit: float) -> bool:
    __tracebackhide__ = True
    return deviation(_outputs(twin, symmetry.act(twin.weights)), before).error > limit
