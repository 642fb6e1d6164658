"""Values of some units laid beside other units."""

from __future__ import annotations

from torch import Tensor

from wsgraph.graph.links import common_pieces
from wsgraph.space import WeightSpace
from wsgraph.space.across import crosses, for_parts, summed_parts


def aligned(space: WeightSpace, values: Tensor, group: int, other: int) -> Tensor:
    """Values ``[B, units, C]`` of one group for the units of another: repeated for parts, averaged over them.

    Units of groups that have nothing to do with each other get the mean of all.
    """
    if crosses(space, other, group):
        return for_parts(space, values.mT, other, group).mT
    if crosses(space, group, other):
        parts = space.groups[group].size // max(space.groups[other].size, 1)
        return summed_parts(space, values.mT, group, other).mT / parts
    pieces, count = max(common_pieces(space, group, other), 1), space.groups[other].size
    if values.shape[1] == pieces == count:
        return values
    values = values.unflatten(1, (pieces, -1))
    values = values[:, :, 0] if values.shape[2] == 1 else values.mean(2)
    return values.repeat_interleave(count // pieces, dim=1) if count > pieces else values
