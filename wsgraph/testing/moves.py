"""Symmetries that really move something."""

from __future__ import annotations

import torch
from torch import Tensor

from wsgraph.graph import NeuronGraph
from wsgraph.nn.monomial import motion_of
from wsgraph.space import Symmetry, WeightSpace
from wsgraph.testing.runner import with_weights

MAX_DRAWS = 64


def seeded(generator: torch.Generator | None) -> torch.Generator:
    """The generator, or a new one with seed 0."""
    return torch.Generator().manual_seed(0) if generator is None else generator


def can_move(space: WeightSpace, block: int, scale: bool = True) -> bool:
    """Whether some symmetry of the space moves, scales or turns this block; some permutation, if not ``scale``."""
    parts = space.blocks[block]
    if not scale:
        return any(axis.group in space.moving_groups for axis in parts.axes)
    turns = parts.turns is not None or any(axis.phase is not None for axis in parts.axes)
    motion = motion_of(space, parts)
    return turns or bool(motion.axes or motion.common)


def refuse_without_symmetry(space: WeightSpace) -> None:
    """Fail on a space whose only symmetry is the identity."""
    __tracebackhide__ = True
    if space.num_moved == 0:
        raise AssertionError(f"{space!r} has no symmetry but the identity, which proves nothing; see space.report().")


def refuse_unmoved(
    space: WeightSpace, weights: Tensor, generator: torch.Generator, max_scale: float, scale: bool = True
) -> None:
    """Fail if some block ``[..., P]`` can be moved, but has entries that hide it (zeros, or equal ones)."""
    __tracebackhide__ = True
    refuse_without_symmetry(space)
    still = [i for i in range(len(space.blocks)) if can_move(space, i, scale)]
    for _ in range(MAX_DRAWS):
        moved = space.random_symmetry(generator, scale=scale, max_scale=max_scale).act(weights)
        still = [i for i in still if torch.equal(moved[..., space.slices[i]], weights[..., space.slices[i]])]
        if not still:
            return
    names = ", ".join(dict.fromkeys(repr(space.blocks[i].tensor) for i in still))
    raise AssertionError(
        f"No symmetry changes the entries of {names}, because they are zero or equal, which proves nothing about them: "
        "pass networks with random entries everywhere, see random_graphs."
    )


def draw(
    space: WeightSpace,
    weights: Tensor,
    generator: torch.Generator,
    max_scale: float,
    batch_size: int | None = None,
    linear: bool = False,
    shifts: bool = False,
    scale: bool = True,
) -> Symmetry:
    """A random symmetry that changes these weights."""
    __tracebackhide__ = True
    for _ in range(MAX_DRAWS):
        symmetry = space.random_symmetry(
            generator, scale=scale, max_scale=max_scale, batch_size=batch_size, linear=linear, shifts=shifts
        )
        if not torch.equal(symmetry.act(weights), weights):
            return symmetry
    raise AssertionError(f"{MAX_DRAWS} random symmetries of {space!r} left the weights as they were.")


def draw_for_each(
    graphs: NeuronGraph, generator: torch.Generator, max_scale: float, scale: bool = True
) -> list[Symmetry]:
    """One symmetry for each network, in batches for neighbours of one weight space."""
    __tracebackhide__ = True
    return [draw(space, matrix, generator, max_scale, len(matrix), scale=scale) for space, matrix in graphs.matrices()]


def act(symmetries: list[Symmetry], graphs: NeuronGraph) -> NeuronGraph:
    """The networks of a batch, each moved by its symmetry."""
    moved = [g.act(matrix).reshape(-1) for g, (_, matrix) in zip(symmetries, graphs.matrices(), strict=True)]
    return with_weights(graphs, torch.cat(moved))
