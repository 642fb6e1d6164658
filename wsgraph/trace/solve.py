"""From facts about legs to permutation groups: which units are alike, and which index is which unit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from wsgraph.trace.legs import Ints, Legs, mix


@dataclass(frozen=True)
class Partition:
    """The units of a network, and the groups in which they may be permuted.

    A *slot* is a set of legs that are one unit. The *kind* of a leg is its part in the unit (third column of that
    matrix, bias of this layer); slots with the same kinds form a group. Swapping two slots of a group maps each leg to
    the leg of its own kind, which respects every recorded fact.

    Attributes:
        slot: ``[legs]``.
        kind: ``[legs]``.
        group: ``[slots]``.
        rank: ``[slots]``, the position of the slot in its group.
        fixed: ``[groups]``, whether the slots of the group are pinned.
        first: ``[groups]``, the slot of rank 0.
    """

    slot: Ints
    kind: Ints
    group: Ints
    rank: Ints
    fixed: NDArray[np.bool_]
    first: Ints

    @cached_property
    def is_first(self) -> NDArray[np.bool_]:
        """``[slots]``, whether the slot stands for its group."""
        mask = np.zeros(len(self.group), dtype=bool)
        mask[self.first] = True
        return mask


def partition(legs: Legs) -> Partition:
    """Work out units, kinds and groups: colour refinement over the recorded facts."""
    slot = _slots(legs)
    kind = _stable_kinds(legs)
    pinned = np.zeros(slot.max(initial=-1) + 1, dtype=bool)
    for some in (*legs.pinned, _unmentioned(legs)):
        pinned[slot[some]] = True
    repeated = _rank_within(slot, kind)
    pinned[slot[repeated > 0]] = True  # two legs of one unit that nothing tells apart
    kind = _relabel(np.stack([kind, np.where(pinned[slot], repeated, 0)]))
    signature = np.zeros(len(pinned), dtype=np.int64)
    np.add.at(signature, slot, mix(kind, 1))
    group = _in_order(_relabel(np.stack([signature, pinned.astype(np.int64)])))
    first = np.unique(group, return_index=True)[1]
    return Partition(slot, kind, group, _rank_within(group), pinned[first], first)


def _unmentioned(legs: Legs) -> Ints:
    """Legs that no operator has said anything about: indices of kernels, and of parameters that nothing uses."""
    mentioned = np.zeros(legs.count, dtype=bool)
    for record in legs.records:
        mentioned[record.legs.reshape(-1)] = True
    return np.flatnonzero(~mentioned)


def _slots(legs: Legs) -> Ints:
    """Connected components of the legs, numbered in the order of their first leg."""
    joins = [r.legs for r in legs.records if r.joins]
    a = np.concatenate([np.repeat(j[:1], len(j) - 1, axis=0).reshape(-1) for j in joins] or [np.empty(0, np.int64)])
    b = np.concatenate([j[1:].reshape(-1) for j in joins] or [np.empty(0, np.int64)])
    graph = coo_array((np.ones(len(a), dtype=bool), (a, b)), shape=(legs.count, legs.count))
    return _in_order(connected_components(graph, directed=False)[1].astype(np.int64))


def _stable_kinds(legs: Legs) -> Ints:
    """Refine births by the records that each leg takes part in, and by its company there, until nothing changes."""
    leg, row, code = _incidence(legs)
    kind = np.repeat(np.arange(len(legs.births)), legs.births)
    count = 0
    while count < (count := len(np.unique(kind))):
        company = np.zeros(row.max(initial=-1) + 1, dtype=np.int64)
        np.add.at(company, row, mix(kind[leg], code))
        found = np.zeros(legs.count, dtype=np.int64)
        np.add.at(found, leg, mix(company[row], code))
        kind = _relabel(mix(kind, found)[None])
    return kind


def _incidence(legs: Legs) -> tuple[Ints, Ints, Ints]:
    """For every leg in every row of every record: the leg, the row, and what the record calls this place."""
    all_legs, all_rows, all_codes, start = [], [], [], 0
    for number, record in enumerate(legs.records):
        columns, count = record.legs.shape
        places = mix(number, np.arange(columns))[:, None]
        all_legs.append(record.legs.reshape(-1))
        all_rows.append(np.tile(np.arange(start, start + count), columns))
        all_codes.append(mix(places, record.site[None]).reshape(-1))
        start += count
    empty = [np.empty(0, np.int64)]
    return np.concatenate(all_legs or empty), np.concatenate(all_rows or empty), np.concatenate(all_codes or empty)


def _relabel(columns: Ints) -> Ints:
    """Numbers 0, 1, ... for the distinct columns."""
    return np.unique(columns, axis=1, return_inverse=True)[1].reshape(-1)


def _in_order(numbers: Ints) -> Ints:
    """The same partition, numbered by first appearance."""
    _, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    position = np.empty(len(first), dtype=np.int64)
    position[np.argsort(first)] = np.arange(len(first))
    return position[inverse.reshape(-1)]


def _rank_within(*keys: Ints) -> Ints:
    """How many earlier entries have the same keys."""
    number = _relabel(np.stack(keys)) if len(keys) > 1 else keys[0]
    order = np.argsort(number, kind="stable")
    ordered = number[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(ordered) else np.empty(0, np.int64)
    lengths = np.diff(np.r_[starts, len(ordered)])
    rank = np.empty(len(ordered), dtype=np.int64)
    rank[order] = np.arange(len(ordered)) - np.repeat(starts, lengths)
    return rank
