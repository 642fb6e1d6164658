"""Units that are parts of larger ones: attention heads, convolution groups, and what a normalisation takes together."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from wsgraph.trace.legs import Ints, Record, mix


@dataclass(frozen=True)
class Nesting:
    """A forest of slots.

    Attributes:
        slot: ``[legs]``; larger units with the same parts are one slot.
        parent: ``[slots]``, the smallest larger unit, or -1.
        depth: ``[slots]``, number of ancestors.
        level: ``[slots]``, length of the longest chain of recorded larger units above the slot.
        across: ``[slots]``, the second larger unit of a slot at a crossing (see :mod:`wsgraph.trace.crossings`), or -1.
        crossing: ``[slots]``, whether this larger unit shares some, but not all, parts with another one, or is a part
            of itself: it stays.
    """

    slot: Ints
    parent: Ints
    depth: Ints
    level: Ints
    crossing: NDArray[np.bool_]
    across: Ints


def nesting(records: list[Record], slot: Ints, pairs: Ints | None = None) -> Nesting:
    """The forest of the recorded facts, from the slots ``[legs]`` that are joined, or of given pairs of slots."""
    if pairs is None:
        slot, pairs = with_equal_parents_joined(slot, nest_rows(records))
    count = int(slot.max(initial=-1)) + 1
    crossing = in_circles(pairs, count)
    pairs = pairs[:, ~crossing[pairs[1]]]
    level = levels(pairs, count)
    while len(several := children_of_several(pairs)):
        chains, crossed = _resolve(pairs, several)
        crossing[crossed] = True
        pairs = pairs[:, ~np.isin(pairs[0], several) & ~np.isin(pairs[1], crossed)]
        chains = chains[:, ~np.isin(chains[1], crossed)]
        pairs = distinct(np.concatenate([pairs, chains], axis=1))
    parent = np.full(count, -1)
    parent[pairs[0]] = pairs[1]
    across = np.full(count, -1)
    return Nesting(slot, parent, depths(parent, across), level, crossing, across)


def nest_rows(records: list[Record]) -> Ints:
    """Legs of parts and of the larger units, ``[2, rows]``."""
    rows = [r.legs[[0, column]] for r in records for column in range(r.joins, len(r.legs))]
    return np.concatenate([np.empty((2, 0), np.int64), *rows], axis=1)


def with_equal_parents_joined(slot: Ints, rows: Ints) -> tuple[Ints, Ints]:
    """Slots, and the pairs (part, larger unit), after larger units with the same parts have become one."""
    while True:
        pairs = slot[rows]
        pairs = distinct(pairs[:, pairs[0] != pairs[1]])
        count = int(slot.max(initial=-1)) + 1
        parts = np.zeros(count, dtype=np.int64)
        np.add.at(parts, pairs[1], mix(pairs[0], 7))
        above = np.unique(pairs[1])
        _, first, number = np.unique(parts[above], return_index=True, return_inverse=True)
        twins = np.stack([above, above[first][number]])
        if (twins[0] == twins[1]).all():
            return slot, pairs
        graph = coo_array((np.ones(twins.shape[1], dtype=bool), (twins[0], twins[1])), shape=(count, count))
        joined = connected_components(graph, directed=False)[1].astype(np.int64)
        slot = in_order(joined[slot])


def distinct(pairs: Ints) -> Ints:
    """Every column once."""
    return pairs[:, np.unique(mix(pairs[0], pairs[1]), return_index=True)[1]]


def children_of_several(pairs: Ints) -> Ints:
    """The parts of several larger units."""
    children, counts = np.unique(pairs[0], return_counts=True)
    return children[counts > 1]


def _resolve(pairs: Ints, several: Ints) -> tuple[Ints, Ints]:
    """For parts of several larger units: chains (part of the smallest, which is part of the next), or crossings.

    Returns:
        Pairs ``[2, n]``, and the larger units that cross one another.
    """
    sizes = np.bincount(pairs[1])
    combinations, shared = families(pairs, several)
    crossed: set[int] = set()
    for parents in combinations:
        ordered = sorted(parents, key=lambda p: (sizes[p], p))
        for small, large in pairwise(ordered):
            if shared[small, large] != sizes[small]:
                crossed |= {small, large}
    chains: list[tuple[int, int]] = []
    for parents, children in combinations.items():
        ordered = [p for p in sorted(parents, key=lambda p: (sizes[p], p)) if p not in crossed]
        chains += [(child, ordered[0]) for child in children if ordered]
        chains += list(pairwise(ordered))
    return np.array(chains, dtype=np.int64).reshape(-1, 2).T, np.array(sorted(crossed), dtype=np.int64)


def families(pairs: Ints, several: Ints) -> tuple[dict[tuple[int, ...], list[int]], dict[tuple[int, int], int]]:
    """The parts of each set of larger units, and how many parts two of these have in common."""
    parents: dict[int, list[int]] = defaultdict(list)
    for child, parent in pairs[:, np.isin(pairs[0], several)].T.tolist():
        parents[child].append(parent)
    combinations: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for child, above in parents.items():
        combinations[tuple(sorted(above))].append(child)
    shared: dict[tuple[int, int], int] = defaultdict(int)
    for together, children in combinations.items():
        for a in together:
            for b in together:
                shared[a, b] += len(children)
    return combinations, shared


def in_circles(pairs: Ints, count: int) -> NDArray[np.bool_]:
    """``[slots]``, whether a slot is a part of a part ... of itself."""
    graph = coo_array((np.ones(pairs.shape[1], dtype=bool), (pairs[0], pairs[1])), shape=(count, count))
    number = connected_components(graph, directed=True, connection="strong")[1]
    circle: NDArray[np.bool_] = np.bincount(number, minlength=1)[number] > 1
    return circle


def levels(pairs: Ints, count: int) -> Ints:
    """``[slots]``, length of the longest chain of larger units above each."""
    level = np.zeros(count, dtype=np.int64)
    while True:
        deeper = level.copy()
        np.maximum.at(deeper, pairs[0], level[pairs[1]] + 1)
        if np.array_equal(deeper, level):
            return level
        level = deeper


def depths(parent: Ints, across: Ints) -> Ints:
    """Number of ancestors, on the longest way up."""
    depth = np.zeros(len(parent), dtype=np.int64)
    while True:
        above = [np.where(one >= 0, depth[one] + 1, 0) for one in (parent, across)]
        if np.array_equal(depth, depth := np.maximum(*above)):
            return depth


def in_order(numbers: Ints) -> Ints:
    """The same partition, numbered by first appearance."""
    _, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    position = np.empty(len(first), dtype=np.int64)
    position[np.argsort(first)] = np.arange(len(first))
    return position[inverse.reshape(-1)]
