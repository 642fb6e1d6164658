"""From facts about legs to permutation groups: which units are alike, and which index is which unit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from wsgraph.trace.crossings import crossed_nesting, held_by_parts, misfit_slots, read_records, wide_legs
from wsgraph.trace.legs import Ints, Legs, Record, mix
from wsgraph.trace.nesting import Nesting, in_order

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Partition:
    """The units of a network, and the groups in which they may be permuted.

    A *slot* is a set of legs that are one unit. The *kind* of a leg is its part in the unit (third column of that
    matrix, bias of this layer); slots with the same kinds form a group. Swapping two slots of a group maps each leg to
    the leg of its own kind, which respects every recorded fact. Where the slots of a group are parts of larger units,
    they lie in equal consecutive pieces, one for each slot of the parent group.

    Attributes:
        slot: ``[legs]``.
        kind: ``[legs]``.
        group: ``[slots]``.
        rank: ``[slots]``, the position of the slot in its group.
        still: ``[groups]``, whether the slots of the group keep their places (within their pieces).
        parent: ``[groups]``, the parent group, or -1.
        across: ``[groups]``, the group that lies across the parent (see :mod:`wsgraph.trace.crossings`), or -1.
        level: ``[groups]``, how many larger units lie above.
        first: ``[groups]``, the slot of rank 0.
        ambiguous: Legs of one unit that nothing, or only their places, tells apart: they have no multipliers.
    """

    slot: Ints
    kind: Ints
    group: Ints
    rank: Ints
    still: Bools
    parent: Ints
    across: Ints
    level: Ints
    first: Ints
    ambiguous: Ints

    @cached_property
    def is_first(self) -> Bools:
        """``[slots]``, whether the slot stands for its group."""
        mask = np.zeros(len(self.group), dtype=bool)
        mask[self.first] = True
        return mask

    def chain(self, group: int) -> list[int]:
        """A group, its parent, the parent of that, and so on."""
        found = []
        while group >= 0:
            found.append(group)
            group = int(self.parent[group])
        return found

    def ancestors(self, group: int) -> list[int]:
        """The groups of the larger units that a group's units are parts of, from the smallest on."""
        found = [group]
        for part in found:
            found += [int(a[part]) for a in (self.parent, self.across) if a[part] >= 0 and int(a[part]) not in found]
        return found[1:]


def partition(legs: Legs) -> Partition:
    """Work out units, kinds and groups, with shared units in the form in which more can move."""
    plain: frozenset[int] = frozenset()
    while True:
        kept = np.zeros(legs.count, dtype=bool)
        for number in plain:
            kept[legs.records[number].legs] = True
        read = replace(legs, records=read_records(legs.records, plain))
        tree = crossed_nesting(read.records, _slots(read), kept)
        units = _partition(read, tree)
        misfits = misfit_slots(units, tree, wide_legs(legs.records, plain))
        if not len(misfits):
            return units
        touched = np.isin(tree.slot, misfits)
        plain |= {number for number, record in enumerate(legs.records) if touched[record.legs].any()}


def _partition(legs: Legs, tree: Nesting) -> Partition:
    """Work out kinds and groups: colour refinement over the recorded facts."""
    slot, count = tree.slot, len(tree.parent)
    anchored = np.zeros(count, dtype=bool)  # stays where it is
    for some in (*legs.pinned, unmentioned(legs)):
        anchored[slot[some]] = True
    anchored[tree.crossing] = True
    kind, coarse, twins = _kinds(legs, tree, anchored)
    anchored[slot[twins]] = True
    for child in np.argsort(-tree.depth, kind="stable"):
        for above in (tree.parent[child], tree.across[child]):
            if above >= 0 and anchored[child]:
                anchored[above] = True
    still = anchored.copy()
    for record in legs.records:
        if record.holds:
            still[slot[record.legs[0]]] = True
    signatures = _signature(slot, kind), _signature(slot, coarse)
    still[held_by_parts(tree, signatures)] = True
    still[tree.across >= 0] = True
    columns, ambiguous = _columns(slot, kind, coarse), _repeated(slot, coarse)
    return _grouped(tree, columns, signatures, anchored, still, ambiguous)


def unmentioned(legs: Legs) -> Ints:
    """Legs that no operator has said anything about: indices of kernels, and of parameters that nothing uses."""
    mentioned = np.zeros(legs.count, dtype=bool)
    for record in legs.records:
        mentioned[record.legs.reshape(-1)] = True
    return np.flatnonzero(~mentioned)


def _slots(legs: Legs) -> Ints:
    """Connected components of the legs, numbered in the order of their first leg."""
    joins = [r.legs[: r.joins] for r in legs.records if r.joins > 1]
    a = np.concatenate([np.repeat(j[:1], len(j) - 1, axis=0).reshape(-1) for j in joins] or [np.empty(0, np.int64)])
    b = np.concatenate([j[1:].reshape(-1) for j in joins] or [np.empty(0, np.int64)])
    graph = coo_array((np.ones(len(a), dtype=bool), (a, b)), shape=(legs.count, legs.count))
    return in_order(connected_components(graph, directed=False)[1].astype(np.int64))


# ------------------------------------------------------------------ colours


def _kinds(legs: Legs, tree: Nesting, anchored: Bools) -> tuple[Ints, Ints, Ints]:
    """Kinds of the legs, coarser ones in which the places that hold units are all alike, and twins.

    Twins are legs of one unit that nothing tells apart. Each is a kind of its own, since what is said of one of them
    is not said of the other; so their units stay.
    """
    birth = np.repeat(np.arange(len(legs.births)), legs.births)
    own = np.where(tree.crossing[tree.slot], tree.slot + 1, 0)
    start = _relabel(birth, anchored[tree.slot], own)
    fine = _refine(start, tree.slot, legs.records)
    coarse = fine
    if any(r.holds for r in legs.records):
        coarse = _refine(start, tree.slot, [r for r in legs.records if not r.holds])
    twins = _repeated(tree.slot, fine)
    if len(twins):
        number = np.zeros_like(fine)
        number[twins] = twins + 1
        fine = _refine(_relabel(fine, number), tree.slot, legs.records)
    return fine, coarse, twins


def _refine(kind: Ints, slot: Ints, records: list[Record]) -> Ints:
    """Tell legs apart by the records that they take part in, and by their company there, until nothing changes."""
    leg, row, code = _incidence(slot, records)
    count = 0
    while count < (count := len(np.unique(kind))):
        company = np.zeros(row.max(initial=-1) + 1, dtype=np.int64)
        np.add.at(company, row, mix(kind[leg], code))
        found = np.zeros(len(kind), dtype=np.int64)
        np.add.at(found, leg, mix(company[row], code))
        kind = _relabel(kind, found)
    return kind


def _incidence(slot: Ints, records: list[Record]) -> tuple[Ints, Ints, Ints]:
    """For every leg in every row of every record, and in its slot: the leg, the row, and what this place is called."""
    count = slot.max(initial=-1) + 1
    all_legs, all_rows, all_codes, start = [np.arange(len(slot))], [slot], [np.full_like(slot, -1)], int(count)
    for number, record in enumerate(records):
        columns, count = record.legs.shape
        places = mix(number, np.arange(columns))[:, None]
        all_legs.append(record.legs.reshape(-1))
        all_rows.append(np.tile(np.arange(start, start + count), columns))
        all_codes.append(mix(places, record.site[None]).reshape(-1))
        start += count
    return np.concatenate(all_legs), np.concatenate(all_rows), np.concatenate(all_codes)


def _columns(slot: Ints, fine: Ints, coarse: Ints) -> Ints:
    """Kinds in the end: coarse ones, and finer where a unit has several legs of the same coarse kind."""
    order = np.lexsort((fine, coarse, slot))
    repeated = np.empty_like(slot)
    repeated[order] = _rank_within(slot[order], coarse[order])
    return _relabel(coarse, repeated)


def _signature(slot: Ints, kind: Ints) -> Ints:
    """``[slots]``, a number for the set of kinds in each slot."""
    signature = np.zeros(slot.max(initial=-1) + 1, dtype=np.int64)
    np.add.at(signature, slot, mix(kind, 1))
    return in_order(signature)


# ------------------------------------------------------------------- groups


def _repeated(slot: Ints, kind: Ints) -> Ints:
    """The legs that share their kind with another leg of their unit."""
    number = _relabel(slot, kind)
    return np.flatnonzero(np.bincount(number)[number] > 1)


def _grouped(
    tree: Nesting, kind: Ints, signatures: tuple[Ints, Ints], anchored: Bools, still: Bools, ambiguous: Ints
) -> Partition:
    """Number the groups in the order of their first slots, and the slots of each, piece by piece."""
    count = len(tree.parent)
    key, rank = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    for depth in range(tree.depth.max(initial=0) + 1):
        here = np.flatnonzero(tree.depth == depth)
        keys = _keys(tree, here, key, signatures, anchored, still)
        uneven = _uneven(tree, here, keys, key)
        if uneven.any():
            still[here[uneven]] = True
            keys = _keys(tree, here, key, signatures, anchored, still)
        key[here] = keys + count * (depth + 1)
        place = np.where(still[here] & ~anchored[here], signatures[0][here], 0)
        beside = np.where(tree.across[here] >= 0, rank[tree.across[here]], 0)
        order = here[np.lexsort((here, place, beside, _above(tree, here, rank, 0), key[here]))]
        rank[order] = _rank_within(key[order])
    group = in_order(key)
    first = np.zeros(group.max(initial=-1) + 1, dtype=np.int64)
    first[group[rank == 0]] = np.flatnonzero(rank == 0)
    parent, level = _above(tree, first, group, -1), tree.level[first]
    across = np.where(tree.across[first] >= 0, group[tree.across[first]], -1)
    return Partition(tree.slot, kind, group, rank, still[first], parent, across, level, first, ambiguous)


def _above(tree: Nesting, slots: Ints, values: Ints, default: int) -> Ints:
    """Values ``[slots]`` of the parents of some slots."""
    above = tree.parent[slots]
    return np.where(above >= 0, values[above], default)


def _keys(tree: Nesting, here: Ints, key: Ints, signatures: tuple[Ints, Ints], anchored: Bools, still: Bools) -> Ints:
    """Groups of the slots of one depth: alike, and parts of alike units. Slots that keep their places need not be
    told apart; neither need slots under different units that keep theirs.
    """
    fine, coarse = (s[here] for s in signatures)
    fine = np.where(still[here], 0, fine)
    above = _above(tree, here, key, -1)
    beside = np.where(tree.across[here] >= 0, key[tree.across[here]], -1)
    index = np.where(still[here], 0, _rank_of_kind(tree.parent[here], coarse, fine))
    return _relabel(above, beside, coarse, anchored[here], still[here], index)


def _rank_of_kind(parent: Ints, coarse: Ints, fine: Ints) -> Ints:
    """Which of the fine kinds of its coarse kind a slot has, among the parts of its parent."""
    order = np.lexsort((fine, coarse, parent))
    new_kind = np.r_[True, np.diff(parent[order]) != 0] | np.r_[True, np.diff(coarse[order]) != 0]
    number = np.cumsum(new_kind | np.r_[True, np.diff(fine[order]) != 0])
    rank = np.empty_like(parent)
    rank[order] = number - np.maximum.accumulate(np.where(new_kind, number, 0))
    return rank


def _uneven(tree: Nesting, here: Ints, keys: Ints, key: Ints) -> Bools:
    """Slots of groups that do not lie in equal pieces under all units of the parent group."""
    above = tree.parent[here]
    piece = _relabel(keys, above)
    sizes = np.bincount(piece)[piece]
    parents_met = np.bincount(keys[np.unique(piece, return_index=True)[1]])[keys]
    parents = np.bincount(key + 1, minlength=1)[np.where(above >= 0, key[above], -1) + 1]
    low, high = np.full(keys.max(initial=-1) + 1, np.iinfo(np.int64).max), np.zeros(keys.max(initial=-1) + 1, np.int64)
    np.minimum.at(low, keys, sizes)
    np.maximum.at(high, keys, sizes)
    return (above >= 0) & ((low != high)[keys] | (parents_met != parents))


def _relabel(*columns: NDArray[Any]) -> Ints:
    """Numbers 0, 1, ... for the distinct rows of some columns."""
    key = columns[0].astype(np.int64)
    for column in columns[1:]:
        key = mix(key, column.astype(np.int64))
    return np.unique(key, return_inverse=True)[1].reshape(-1)


def _rank_within(*keys: Ints) -> Ints:
    """How many earlier entries have the same keys."""
    number = _relabel(*keys) if len(keys) > 1 else keys[0]
    order = np.argsort(number, kind="stable")
    ordered = number[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(ordered) else np.empty(0, np.int64)
    lengths = np.diff(np.r_[starts, len(ordered)])
    rank = np.empty(len(ordered), dtype=np.int64)
    rank[order] = np.arange(len(ordered)) - np.repeat(starts, lengths)
    return rank
