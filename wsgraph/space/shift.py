"""Shifts: numbers that may be added to a block, since whatever reads its values removes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from torch import Tensor

from wsgraph.space.across import linear_group

if TYPE_CHECKING:
    from wsgraph.space.weight_space import WeightSpace


@dataclass(frozen=True)
class Shift:
    """Numbers that may be added to the entries of a block: W_ij -> W_ij + v_j where a LayerNorm over i reads W x.

    Along each axis of the block, one number is added to all entries of a run: of the whole axis (one run), of a part of
    it, or of one entry (as many runs as entries, so that nothing is asked of the numbers).

    Attributes:
        block: Index of the block.
        runs: Number of equal runs of consecutive entries along each of its axes: the shape of the added numbers.
    """

    block: int
    runs: tuple[int, ...]

    @property
    def numel(self) -> int:
        """Number of free numbers."""
        return prod(self.runs)

    def spread(self, numbers: Tensor, shape: Sequence[int]) -> Tensor:
        """The numbers ``[..., *runs]`` at every entry of a block of this shape."""
        lead = numbers.dim() - len(self.runs)
        for axis, (count, size) in enumerate(zip(self.runs, shape, strict=True)):
            if 1 < count < size:
                numbers = numbers.repeat_interleave(size // count, dim=lead + axis)
        return numbers.expand(*numbers.shape[:lead], *shape)

    def means(self, values: Tensor) -> Tensor:
        """The means over the runs of a block ``[..., *shape]``: what is left of numbers that were spread."""
        lead = values.dim() - len(self.runs)
        for axis, count in enumerate(self.runs):
            values = values.unflatten(lead + axis, (count, -1)).mean(lead + axis + 1)
        return values

    def firsts(self, values: Tensor) -> Tensor:
        """The first entry of each run of a block ``[..., *shape]``: the numbers that were spread."""
        lead = values.dim() - len(self.runs)
        for axis, count in enumerate(self.runs):
            values = values.unflatten(lead + axis, (count, -1)).select(lead + axis + 1, 0)
        return values

    def within(self, other: Shift) -> bool:
        """Whether the other allows all that this one does."""
        pairs = zip(self.runs, other.runs, strict=True)
        return self.block == other.block and all(n % m == 0 for m, n in pairs)


def commutes(space: WeightSpace, shift: Shift) -> bool:
    """Whether every other symmetry of a space makes numbers of a shift from numbers of this shift."""
    block = space.blocks[shift.block]
    if block.turns is not None or block.shift or any(axis.plane for axis in block.axes):
        return False
    lead, several = (shift.runs[0], shift.runs[1:]) if block.pieces > 1 else (1, shift.runs)
    if block.pieces > 1 and lead != block.pieces:
        return False
    for axis, count in zip(block.axes, several, strict=False):
        runs, size = count * lead, len(axis.offsets)
        if runs == size:
            continue
        factors = [space.groups[space.scales[f.scale_class].group].size for f in axis.scale]
        if axis.phase is not None or any(runs % n for n in factors) or not _keeps(space, axis.group, runs):
            return False
    return True


def _keeps(space: WeightSpace, group: int, runs: int) -> bool:
    """Whether symmetries move whole runs of equal size of the units of a group, or units within them."""
    if space.groups[linear_group(space, group)].linear or space.groups[group].across is not None:
        return False
    if runs == 1 or group not in space.moving_groups:
        return True
    parent = space.groups[group].parent
    if parent is None:
        return False
    size = space.groups[parent].size
    return runs == size or (runs < size and size % runs == 0 and _keeps(space, parent, runs))
