"""What a symmetry adds to blocks: the normal subgroup of shifts, x -> g x + s."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from wsgraph.space.shift import Shift
    from wsgraph.space.symmetry import Symmetry

Numbers = tuple[Tensor | None, ...]


def shifted(symmetry: Symmetry, number: int, values: Tensor) -> Tensor:
    """A block ``[..., *shape]`` with what the symmetry adds to it."""
    for shift, numbers in _pairs(symmetry):
        if shift.block == number and numbers is not None:
            values = values + shift.spread(numbers, symmetry.space.blocks[number].shape).to(values)
    return values


def composed(first: Symmetry, other: Symmetry) -> Numbers:
    """Of ``first @ other``: g₁ (g₀ x + s₀) + s₁ = g₁ g₀ x + (g₁ s₀ + s₁)."""
    ours, theirs = [n for _, n in _pairs(first)], [n for _, n in _pairs(other)]
    moved = [n if n is None else _moved(first, i, n) for i, n in enumerate(theirs)]
    return tuple(b if a is None else a if b is None else a + b for a, b in zip(ours, moved, strict=True))


def inverted(symmetry: Symmetry, inverse: Symmetry) -> Numbers:
    """Of the inverse of a symmetry, from its other parts: g⁻¹ (x - s) = g⁻¹ x - g⁻¹ s."""
    return tuple(n if n is None else -_moved(inverse, i, n) for i, (_, n) in enumerate(_pairs(symmetry)))


def without_means(symmetry: Symmetry, weights: Tensor) -> Symmetry:
    """The symmetry with shifts that bring the means of what it makes, ``[..., P]``, over all runs to 0."""
    space, left, found = symmetry.space, dict[int, Tensor](), []
    for shift in space.shifts:
        block = space.blocks[shift.block]
        values = left.get(
            shift.block, space.block_view(weights, shift.block).reshape(*weights.shape[:-1], *block.shape)
        )
        found.append(-shift.means(values))
        left[shift.block] = values + shift.spread(found[-1], block.shape)
    return replace(symmetry, shifts=tuple(n.cpu() for n in found))


def as_large_as(symmetry: Symmetry, weights: Tensor) -> Symmetry:
    """The symmetry with its shifts in units of the spread of each block of the weights ``[N, P]``."""
    space, found = symmetry.space, []
    for shift, numbers in _pairs(symmetry):
        values = space.block_view(weights.detach(), shift.block).double().cpu()
        found.append(None if numbers is None else numbers * (values.square().mean().sqrt() or 1.0))
    return replace(symmetry, shifts=tuple(found))


def batch_shapes(symmetry: Symmetry) -> list[torch.Size]:
    """The batch shape of the numbers of each shift."""
    return [n.shape[: n.dim() - len(shift.runs)] for shift, n in _pairs(symmetry) if n is not None]


def _moved(symmetry: Symmetry, number: int, numbers: Tensor) -> Tensor:
    """The numbers of a shift after the other parts of a symmetry, which make numbers of the same shift of them."""
    shift = symmetry.space.shifts[number]
    block, lead = symmetry.space.blocks[shift.block], numbers.dim() - len(shift.runs)
    batch = symmetry.batch_shape or numbers.shape[:lead]
    values = shift.spread(numbers, block.shape).expand(*batch, *block.shape)
    return shift.firsts(symmetry.moved(block, values))


def _pairs(symmetry: Symmetry) -> list[tuple[Shift, Tensor | None]]:
    shifts = symmetry.space.shifts
    return list(zip(shifts, symmetry.shifts or (None,) * len(shifts), strict=True))
