r"""Units at crossings: each is a part of a unit of its parent group, and of a unit of a group that lies across.

With unit h of the parent H, unit d of the group across D, and c the smallest unit that holds both, the group of the
crossings has one unit (h, d) for every pair under the same c, and under permutations σ of H and τ of D,

.. math:: (h, d) \mapsto (σ(h), τ(d)).

The query heads of multi-query attention are of this kind: h is the head, and d the unit of the one key of all heads.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from wsgraph.space.weight_space import WeightSpace

Ints = NDArray[np.int64]


def lineage(space: WeightSpace, group: int | None) -> list[int]:
    """A group, its parent, the parent of that, and so on."""
    found: list[int] = []
    while group is not None:
        found.append(group)
        group = space.groups[group].parent
    return found


def num_common(space: WeightSpace, first: int | None, second: int | None) -> int:
    """How many larger units there are that hold whole units of both groups."""
    above = lineage(space, first)
    return next((space.groups[g].size for g in lineage(space, second) if g in above), 1)


@lru_cache(maxsize=1024)
def units_above(space: WeightSpace, group: int, above: int) -> Ints | None:
    """For every unit of a group, the unit of another group that it is a part of; None if it is of none."""
    here = space.groups[group]
    if group == above:
        return np.arange(here.size)
    if here.parent is None:
        return None
    found = units_above(space, here.parent, above)
    if found is not None:
        return found[np.arange(here.size) // piece_size(space, group)]
    if here.across is None or (found := units_above(space, here.across, above)) is None:
        return None
    return found[_units_across(space, group)]


def piece_size(space: WeightSpace, group: int) -> int:
    """How many units of a group are parts of one unit of its parent."""
    return space.groups[group].size // max(space.num_pieces(group), 1)


def _units_across(space: WeightSpace, group: int) -> Ints:
    """For every unit of a group at crossings, the unit of the group across."""
    here, size = space.groups[group], piece_size(space, group)
    places, count = np.arange(here.size), num_common(space, here.across, here.parent)
    found: Ints = places // size * count // max(space.num_pieces(group), 1) * size + places % size
    return found


def crosses(space: WeightSpace, group: int, above: int) -> bool:
    """Whether the parts of units of another group do not lie side by side in a group."""
    return above not in lineage(space, group) and units_above(space, group, above) is not None


def for_parts(space: WeightSpace, values: Tensor, group: int, above: int) -> Tensor:
    """Values ``[..., units]`` of a group of larger units for their parts in another group, ``[..., size]``."""
    if crosses(space, group, above):
        index = units_above(space, group, above)
        return values[..., torch.from_numpy(index).to(values.device)]
    return values.repeat_interleave(space.groups[group].size // max(values.shape[-1], 1), dim=-1)


def summed_parts(space: WeightSpace, values: Tensor, group: int, above: int) -> Tensor:
    """Sums over the parts in a group, ``[..., size]``, of the units of another group: ``[..., units]``."""
    size = space.groups[above].size
    if crosses(space, group, above):
        index = torch.from_numpy(units_above(space, group, above)).to(values.device)
        return values.new_zeros(*values.shape[:-1], size).index_add(-1, index, values)
    return values.unflatten(-1, (size, -1)).sum(-1)


def linear_group(space: WeightSpace, group: int) -> int:
    """The group whose matrices act on a group: itself, or the one across."""
    across = space.groups[group].across
    return group if across is None else linear_group(space, across)


def pieces_above(space: WeightSpace, group: int) -> Tensor:
    """For a group at crossings, the pieces of its :func:`linear_group` that its own pieces are made of, in order."""
    base = linear_group(space, group)
    index = units_above(space, group, base)
    assert index is not None
    return torch.from_numpy(index[:: piece_size(space, base)] // piece_size(space, base))


def crossed_order(space: WeightSpace, number: int, orders: Mapping[int, Tensor]) -> Tensor:
    """The order of a group at crossings from those of its parent and of the group across, ``[..., size]``."""
    group, size = space.groups[number], piece_size(space, number)
    assert group.parent is not None
    assert group.across is not None
    above, across = orders[group.parent], orders[group.across]
    units = torch.from_numpy(_units_across(space, number)).to(across.device)
    within = across[..., units].unflatten(-1, (-1, size)) % max(size, 1)
    return (above[..., None] * size + within).flatten(-2)
