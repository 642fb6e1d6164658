"""Units that are parts of two larger units which cross: of a head, and of a unit of the key that heads share.

Such units are told by their two larger ones, and move with both: where head h of the queries meets unit d of a key that
many heads share, unit (h, d) of the queries is a part of both. What was recorded may also be read in another way: all
copies of a shared unit are one unit with it, and do not move among themselves. That is done where the first reading
leads to nothing, and where no side is known to be shared (rows and columns that cross stay).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wsgraph.trace.legs import Ints, Record
from wsgraph.trace.nesting import (
    Nesting,
    children_of_several,
    depths,
    distinct,
    families,
    in_circles,
    levels,
    nest_rows,
    nesting,
    with_equal_parents_joined,
)

if TYPE_CHECKING:
    from wsgraph.trace.solve import Partition

MAX_STEPS = 30
"""After so many steps units of units are given up."""


def read_records(records: list[Record], plain: frozenset[int]) -> list[Record]:
    """The records in the form in which shared units have many parts; those numbered in ``plain``, in the other."""
    found = []
    for number, record in enumerate(records):
        if number in plain or not (record.crossed or record.only_crossed):
            if not record.only_crossed:
                found.append(record)
        elif record.loose is not None:
            found.append(replace(record, joins=record.crossed, site=record.loose))
        else:
            found.append(record)
    return found


def crossed_nesting(records: list[Record], slot: Ints, plain: NDArray[np.bool_]) -> Nesting:
    """The forest of the recorded facts, with slots at crossings.

    Args:
        records: The facts.
        slot: ``[legs]``, the slots that are joined.
        plain: ``[legs]``, whether the slot of a leg must not lie at a crossing.
    """
    told, _ = with_equal_parents_joined(slot, nest_rows([r for r in records if r.tells]))
    slot, pairs = _reduced(*with_equal_parents_joined(told, nest_rows(records)))
    count = int(slot.max(initial=-1)) + 1
    stays = np.zeros(count, dtype=bool)
    stays[slot[plain]] = True
    crossed = np.flatnonzero((np.bincount(pairs[0], minlength=count) == 2) & ~stays)
    if not len(crossed) or in_circles(pairs, count).any():
        return nesting(records, told)
    level = levels(pairs, count)
    parent, across = _sides(pairs, crossed)
    kept = ~np.isin(pairs[0], crossed)
    pairs = np.concatenate([pairs[:, kept], np.stack([crossed, parent])], axis=1)
    tree = nesting(records, slot, pairs)
    beside = np.full(count, -1)
    beside[crossed] = across
    return replace(tree, across=beside, level=level, depth=depths(tree.parent, beside))


def _reduced(slot: Ints, pairs: Ints) -> tuple[Ints, Ints]:
    """Slots and pairs after larger units with all their parts in another one have become parts of that."""
    for _ in range(MAX_STEPS):
        sizes, inside = np.bincount(pairs[1]), []
        found, shared = families(pairs, children_of_several(pairs))
        dropped: set[tuple[int, int]] = set()
        for parents, children in found.items():
            for small, large in permutations(parents, 2):
                if shared[small, large] == sizes[small] < sizes[large]:
                    inside.append((small, large))
                    dropped.update((child, large) for child in children)
        if not inside:
            break
        keep = [pair not in dropped for pair in map(tuple, pairs.T.tolist())]
        pairs = distinct(np.concatenate([pairs[:, keep], np.array(inside).T], axis=1))
        number, pairs = with_equal_parents_joined(np.arange(int(slot.max()) + 1), pairs)
        slot = number[slot]
    return slot, pairs


def _sides(pairs: Ints, crossed: Ints) -> tuple[Ints, Ints]:
    """The two larger units of each slot at a crossing: first the one that it shares with the slot beside it."""
    own = pairs[:, np.isin(pairs[0], crossed)]
    above = np.sort(own[1][np.argsort(own[0], kind="stable")].reshape(-1, 2), axis=1)
    none = np.full((1, 2), -1)
    later, earlier = np.concatenate([above[1:], none]), np.concatenate([none, above[:-1]])
    first = np.where(((above[:, :1] == later) | (above[:, :1] == earlier)).any(1), 0, 1)
    rows = np.arange(len(above))
    return above[rows, first], above[rows, 1 - first]


def base_units(units: Partition) -> tuple[Ints, Ints]:
    """For every slot ``[slots]``, the group whose matrices act on it, and its rank there (at crossings, across)."""
    group, rank, sizes = units.group.copy(), units.rank.copy(), np.bincount(units.group)
    while len(crossed := np.flatnonzero(units.across[group] >= 0)):
        for number in np.unique(group[crossed]).tolist():
            here, across, pieces = group == number, int(units.across[number]), sizes[units.parent[number]]
            count = _num_common(units, number)
            size = sizes[across] // count
            rank[here] = rank[here] // size * count // pieces * size + rank[here] % size
            group[here] = across
    return group, rank


def wide_legs(records: list[Record], plain: frozenset[int]) -> Ints:
    """The legs of shared units that have parts."""
    found = [r.legs[r.crossed] for number, r in enumerate(records) if r.crossed and number not in plain]
    return np.unique(np.concatenate([np.empty(0, np.int64), *found]))


def held_by_parts(tree: Nesting, signatures: tuple[Ints, Ints]) -> Ints:
    """Larger units that keep their places, since their parts at crossings do: fine kinds differ there.

    Args:
        tree: The forest.
        signatures: Of fine kinds, and of coarse ones, in which places are alike.
    """
    parts = np.flatnonzero(tree.across >= 0)
    fine, coarse = (s[parts] for s in signatures)
    found = [np.empty(0, np.int64)]
    for one, other in ((tree.parent, tree.across), (tree.across, tree.parent)):
        number = np.unique(np.stack([one[parts], coarse]), axis=1, return_inverse=True)[1].reshape(-1)
        low, high = np.full(len(parts), np.iinfo(np.int64).max), np.full(len(parts), -1)
        np.minimum.at(low, number, fine)
        np.maximum.at(high, number, fine)
        found.append(other[parts[(low != high)[number]]])
    return np.concatenate(found)


def misfit_slots(units: Partition, tree: Nesting, wide: Ints) -> Ints:
    """Slots at crossings that do not make a full grid of larger units, or that win nothing by that."""
    wide_slots = np.unique(tree.slot[wide])
    reach: dict[int, dict[int, Ints] | None] = {}
    bad = [np.flatnonzero(tree.across >= 0)[:0]]
    for group in np.flatnonzero(units.across >= 0).tolist():
        if _reach(units, tree, group, reach) is None or not _wins(units, tree, group, wide_slots):
            bad.append(_members(units, group))
    lost = wide_slots[tree.crossing[wide_slots]]
    return np.concatenate([*bad, lost])


def _members(units: Partition, group: int) -> Ints:
    """The slots of a group by rank."""
    members = np.flatnonzero(units.group == group)
    return members[np.argsort(units.rank[members])]


def _reach(
    units: Partition, tree: Nesting, group: int, known: dict[int, dict[int, Ints] | None]
) -> dict[int, Ints] | None:
    """For every group of larger units, the one that each slot of a group is a part of; None where that is not clear."""
    if group not in known:
        members = _members(units, group)
        found: dict[int, Ints] = {group: members}
        clear = units.across[group] < 0 or _is_grid(units, tree, group)
        for above, slots in ((units.parent, tree.parent), (units.across, tree.across)):
            if above[group] >= 0 and clear:
                larger = _reach(units, tree, int(above[group]), known)
                clear = larger is not None
                for number, of_larger in (larger or {}).items():
                    mine = of_larger[units.rank[slots[members]]]
                    clear = clear and np.array_equal(found.setdefault(number, mine), mine)
        known[group] = found if clear else None
    return known[group]


def _is_grid(units: Partition, tree: Nesting, group: int) -> bool:
    """Whether there is one unit for every two larger units that meet, in their order."""
    sizes, members = np.bincount(units.group), _members(units, group)
    parent, across, count = int(units.parent[group]), int(units.across[group]), _num_common(units, group)
    if sizes[across] % count or sizes[parent] % count:
        return False
    row, column, size = units.rank[tree.parent[members]], units.rank[tree.across[members]], sizes[across] // count
    in_order = np.array_equal(row * size + column % size, np.arange(len(members)))
    together = np.array_equal(column // size, row // (sizes[parent] // count))
    return bool(len(members) == sizes[parent] * size and in_order and together)


def _num_common(units: Partition, group: int) -> int:
    """How many larger units hold whole units of both the parent and the group across."""
    beside = units.chain(int(units.across[group]))
    common = (int((units.group == g).sum()) for g in units.chain(int(units.parent[group])) if g in beside)
    return next(common, 1)


def _wins(units: Partition, tree: Nesting, group: int, wide: Ints) -> bool:
    """Whether the larger units that are not shared move; any of them, where none is shared."""
    sides = [int(units.parent[group]), int(units.across[group])]
    lone = [side for side in sides if not np.isin(_members(units, side), wide).any()]
    return len(lone) == 1 and len(_members(units, lone[0])) > 1 and _moves(units, lone[0])


def _moves(units: Partition, group: int) -> bool:
    sizes, parent = np.bincount(units.group), int(units.parent[group])
    pieces = sizes[parent] if parent >= 0 else 1
    above = [int(a[group]) for a in (units.parent, units.across) if a[group] >= 0]
    return bool(not units.still[group] and sizes[group] > pieces) or any(_moves(units, one) for one in above)
