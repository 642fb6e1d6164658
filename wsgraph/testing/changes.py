"""What is not a symmetry: one axis of one block moved, without the blocks that a symmetry moves along with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsgraph.graph import NeuronGraph
from wsgraph.space import WeightSpace
from wsgraph.testing.runner import with_weights

Place = tuple[int, int]
"""A block and one of its axes."""


@dataclass(frozen=True, eq=False)
class Change:
    """One axis of one block permuted or multiplied, on its own.

    Attributes:
        space: The weight space.
        place: The block and the axis.
        verb: What happens to it.
        numbers: The new order of the axis (integers), or a multiplier for each of its units (in every piece).
    """

    space: WeightSpace
    place: Place
    verb: str
    numbers: Tensor

    def __str__(self) -> str:
        block = self.space.blocks[self.place[0]]
        return f"{self.verb} axis {self.place[1]} of {block.tensor!r} {list(block.shape)} alone"

    def __call__(self, graphs: NeuronGraph) -> NeuronGraph:
        """The batch with this change in every network of the space."""
        pieces = [self._changed(matrix) if space == self.space else matrix for space, matrix in graphs.matrices()]
        return with_weights(graphs, torch.cat([piece.reshape(-1) for piece in pieces]))

    def _changed(self, matrix: Tensor) -> Tensor:
        matrix = matrix.clone()
        view, axis = self.space.block_view(matrix, self.place[0]), 1 + _dimension(self.space, self.place)
        if self.numbers.is_floating_point():
            view.mul_(self.numbers.to(view).reshape(-1, *[1] * (view.dim() - axis - 1)))
        else:
            view.copy_(view.index_select(axis, self.numbers.to(view.device)))
        return matrix


def changes(space: WeightSpace, generator: torch.Generator, max_scale: float) -> Iterator[Change]:
    """A permutation, a scaling and sign flips of every axis of every block, where no symmetry does that to it alone."""
    for group, places in _places(space).items():
        powers, parities = _exponents(space, group, places)
        for i, place in enumerate(places):
            size = space.blocks[place[0]].shape[_dimension(space, place)]
            if len(places) > 1 and size > 1:
                yield Change(space, place, "permuting", _other_order(size, generator))
            if powers[i].any() and not _is_reached(powers, i, np.linalg.matrix_rank):
                scales = max_scale ** (2 * torch.rand(size, generator=generator, dtype=torch.float64) - 1)
                yield Change(space, place, "scaling", scales)
            if parities[i].any() and not _is_reached(parities, i, _rank_of_bits):
                yield Change(space, place, "flipping signs along", _some_signs(size, generator))


def _places(space: WeightSpace) -> dict[int, list[Place]]:
    """For every neuron group that moves, the axes that it moves."""
    places: dict[int, list[Place]] = {i: [] for i in sorted(space.moving_groups)}
    for number, block in enumerate(space.blocks):
        for i, axis in enumerate(block.axes):
            if axis.group in places:
                places[axis.group].append((number, i))
    return places


def _dimension(space: WeightSpace, place: Place) -> int:
    """The dimension of a block that runs along an axis (within a piece)."""
    return place[1] + (space.blocks[place[0]].pieces > 1)


def _exponents(space: WeightSpace, group: int, places: list[Place]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Powers of the magnitudes, and parities of the signs, of the group's own scale classes ``[places, classes]``."""
    powers = np.zeros((len(places), len(space.scales)))
    parities = np.zeros((len(places), len(space.scales)), dtype=np.int64)
    for row, (block, axis) in enumerate(places):
        for factor in space.blocks[block].axes[axis].scale:
            scale_class = space.scales[factor.scale_class]
            if scale_class.group == group:
                powers[row, factor.scale_class] += factor.power * scale_class.values.has_magnitude
                parities[row, factor.scale_class] ^= factor.parity & scale_class.values.has_sign
    return powers, parities


def _is_reached(exponents: NDArray[Any], row: int, rank: Callable[[NDArray[Any]], int]) -> bool:
    """Whether some choice of multipliers changes this row alone: whether its unit vector is in the column span."""
    unit = np.zeros((len(exponents), 1), dtype=exponents.dtype)
    unit[row] = 1
    return bool(rank(np.hstack([exponents, unit])) == rank(exponents))


def _rank_of_bits(matrix: NDArray[np.int64]) -> int:
    """Rank over the field of two elements."""
    rows = [reduce(lambda bits, bit: 2 * bits + int(bit), row, 0) for row in matrix]
    rank = 0
    while rows:
        pivot = rows.pop()
        if pivot:
            rank += 1
            low = pivot & -pivot
            rows = [row ^ pivot if row & low else row for row in rows]
    return rank


def _other_order(size: int, generator: torch.Generator) -> Tensor:
    """A random order that is not the present one."""
    order = torch.arange(size)
    while torch.equal(order, torch.arange(size)):
        order = torch.randperm(size, generator=generator)
    return order


def _some_signs(size: int, generator: torch.Generator) -> Tensor:
    """Random signs, at least one of them negative."""
    signs = 2.0 * torch.randint(2, (size,), generator=generator) - 1
    signs[torch.randint(size, (1,), generator=generator)] = -1
    return signs.double()
