"""Planes: units whose legs come in pairs, the two coordinates that a rotation mixes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from wsgraph.trace.crossings import base_units
from wsgraph.trace.legs import Legs
from wsgraph.trace.solve import Partition

Coordinates = dict[int, tuple[int, int]]
"""For the kinds of the legs that are coordinates of planes: which coordinate, and the kind of the other one."""


def find_planes(legs: Legs, units: Partition) -> dict[int, Coordinates]:
    """The groups in which sums join legs of one tensor axis in pairs, as a rotation does.

    What else the pairs meet, in equal places, is in pairs too: keys for queries, biases for weights. Whether a turn of
    all these planes keeps the function is not known here.
    """
    birth = np.repeat(np.arange(len(legs.births)), legs.births)
    pairs: dict[int, set[int]] = defaultdict(set)
    others: dict[int, set[int]] = defaultdict(set)
    for x, y, nests in _joins(legs, units):
        edges = pairs if birth[x] == birth[y] and not nests else others
        edges[x].add(y)
        edges[y].add(x)
    found: dict[int, dict[int, int]] = defaultdict(dict)
    planes = {}
    base, _ = base_units(units)
    for x, partners in pairs.items():
        found[int(base[units.slot[x]])][x] = min(partners)
    for group, partner in found.items():
        if all(len(pairs[x]) == 1 for x in partner):
            _spread(partner, others, birth.tolist())
            coordinates = _coordinates(partner, others)
            if coordinates is not None:
                kind = units.kind
                planes[group] = {int(kind[x]): (c, int(kind[partner[x]])) for x, c in coordinates.items()}
    return planes


def _joins(legs: Legs, units: Partition) -> Iterator[tuple[int, int, bool]]:
    """Pairs of different legs of the first unit of each group that some fact joins, and whether as parts of others."""
    for record in legs.records:
        if record.joins > 1:
            first = units.is_first[units.slot[record.legs[0]]]
            for row in np.unique(record.legs[: record.joins, first], axis=1).T.tolist():
                yield from ((row[0], other, record.nests) for other in row[1:] if other != row[0])


def _spread(partner: dict[int, int], others: dict[int, set[int]], birth: list[int]) -> None:
    """Pair what is joined to one leg with what is joined to its partner, if it is of the same axis, in place."""
    pending = list(partner)
    while pending:
        x = pending.pop()
        for y in others[x]:
            if y not in partner:
                fits = [z for z in others[partner[x]] if birth[z] == birth[y] and z != y and z not in partner]
                if len(fits) == 1:
                    partner[y], partner[fits[0]] = fits[0], y
                    pending += [y, fits[0]]


def _coordinates(partner: dict[int, int], others: dict[int, set[int]]) -> dict[int, int] | None:
    """0 or 1 for every leg: equal for legs that are joined, different for partners; None if that cannot be."""
    found: dict[int, int] = {}
    for start in sorted(partner):
        pending = [] if start in found else [start]
        found.setdefault(start, 0)
        while pending:
            x = pending.pop()
            near = [(y, found[x]) for y in others[x] if y in partner]
            for y, coordinate in (*near, (partner[x], 1 - found[x])):
                if y not in found:
                    found[y] = coordinate
                    pending.append(y)
                elif found[y] != coordinate:
                    return None
    return found
