"""What a canonical form reads of weights: sums over kernel positions, and fixed numbers that tell places apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsgraph.space.across import units_above
from wsgraph.space.parts import Block

if TYPE_CHECKING:
    from wsgraph.space.weight_space import WeightSpace

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Table:
    """Sums over the kernel positions of a block, one for each combination of its units.

    Attributes:
        energy: Σ w², ``[..., *axes]`` (pieces first, if the block has several).
        signed: Σ r w |w|, with a fixed number r > 0 for each kernel position: odd in w, and of the size of the energy.
    """

    block: Block
    energy: Tensor
    signed: Tensor

    @property
    def batch(self) -> tuple[int, ...]:
        """``()``, or ``(N,)`` for N networks."""
        return tuple(self.energy.shape[: self.energy.dim() - self.rank])

    @property
    def rank(self) -> int:
        """Number of axes of the sums, beside the batch."""
        return len(self.block.axes) + (self.block.pieces > 1)

    def along(self, axis: int, entries: Tensor, vectors: Sequence[Tensor]) -> Tensor:
        """Sum entries times one vector ``[..., units]`` for each other axis: ``[..., units of this axis]``."""
        pieces, letters = self.block.pieces, "abcdefgh"[: len(self.block.axes)]
        lead = "p" if pieces > 1 else ""
        others = [i for i in range(len(letters)) if i != axis]
        terms = ",".join(f"...{lead}{of}" for of in (letters, *(letters[i] for i in others)))
        operands = [vectors[i].unflatten(-1, (pieces, -1)) if pieces > 1 else vectors[i] for i in others]
        total = torch.einsum(f"{terms}->...{lead}{letters[axis]}", entries, *operands)
        return total.flatten(-2) if pieces > 1 else total

    def scaled(self, factors: Sequence[Tensor | None]) -> Table:
        """The table after entries of the block are multiplied by ``[..., units]`` for each axis, or None for 1."""
        energy, signed = self.energy, self.signed
        pieces = self.block.pieces
        for i, factor in enumerate(factors):
            if factor is None:
                continue
            shape = [pieces] * (pieces > 1) + [1] * len(self.block.axes)
            shape[i - len(self.block.axes)] = factor.shape[-1] // pieces
            factor = factor.reshape(*factor.shape[:-1], *shape)
            energy = energy * factor.square()
            signed = signed * (factor * factor.abs())
        return Table(self.block, energy, signed)

    def of_size_one(self) -> Table:
        """The table, its signed sums over the root of the sum of their squares."""
        flat = self.signed.reshape(*self.batch, -1)
        size = torch.linalg.vector_norm(flat, dim=-1).reshape((*self.batch, *[1] * self.rank))
        return Table(self.block, self.energy, self.signed / torch.where(size > 0, size, 1.0))


def read_tables(space: WeightSpace, weights: Tensor) -> list[Table]:
    """The table of each block of float64 weights ``[..., P]``."""
    tables = []
    for number, block in enumerate(space.blocks):
        values = space.block_view(weights, number) + block.shift
        shape = (*weights.shape[:-1], *block.shape[: len(block.shape) - len(block.kernel)])
        values = values.reshape(*shape, prod(len(k) for k in block.kernel))
        signed = values * values.abs()
        spread = fixed_numbers(number, np.arange(signed.shape[-1])).to(signed)
        tables.append(Table(block, signed.abs().sum(-1), signed @ spread))
    return tables


def position_numbers(space: WeightSpace) -> list[Tensor]:
    """A fixed number for each unit of each group, the same for units that a symmetry may exchange: ``[size]``."""
    labels: dict[int, Ints] = {}
    for number in range(len(space.groups)):
        _label(space, number, labels)
    return [fixed_numbers(-1 - i, labels[i]) for i in range(len(space.groups))]


def _label(space: WeightSpace, number: int, labels: dict[int, Ints]) -> Ints:
    """Equal integers for the units of a group that a symmetry may exchange, others for others."""
    if number not in labels:
        group, pieces = space.groups[number], space.num_pieces(number)
        size = group.size // max(pieces, 1)
        above = np.zeros(1, np.int64) if group.parent is None else _label(space, group.parent, labels)
        within: Ints = np.arange(size) if group.fixed else np.zeros(size, np.int64)
        if group.across is not None:
            index = units_above(space, number, group.across)
            within = _label(space, group.across, labels)[index].reshape(-1, size)
            size = space.groups[group.across].size
        labels[number] = (above[:, None] * size + within).reshape(-1)
    return labels[number]


def fixed_numbers(key: int, positions: Ints) -> Tensor:
    """Pseudo-random numbers in [0.5, 1.5], the same in every process: splitmix64 of a key and positions."""
    bits = np.asarray(positions).astype(np.uint64) + np.array([key * 0x632BE59BD9B4E019 % 2**64], dtype=np.uint64)
    bits = (bits + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    bits = bits ^ (bits >> np.uint64(31))
    return torch.from_numpy((bits >> np.uint64(11)).astype(np.float64) / 2**53 + 0.5)
