"""Groups on which any invertible matrix acts: units that nothing but linear maps and scalar products meet."""

from __future__ import annotations

import numpy as np

from wsgraph.space import ScaleClass, ScaleSet
from wsgraph.space.scale import Scale
from wsgraph.trace.legs import Ints, Legs
from wsgraph.trace.solve import Partition


def linear_groups(
    legs: Legs, units: Partition, classes: tuple[ScaleClass, ...], scales: dict[int, Scale]
) -> frozenset[int]:
    """The groups of several free units in which every recorded fact stays true under GL(n).

    Each leg must be multiplied by its group's own multiplier or by the inverse: a matrix takes its place, or the
    inverse transpose.
    """
    sizes = np.bincount(units.group)
    pieces = np.where(units.parent >= 0, sizes[units.parent], 1)
    candidates = ~units.still & (sizes > pieces)
    candidates[_met_nonlinearly(legs, units)] = False
    own: dict[int, list[int]] = {}
    for number, scale_class in enumerate(classes):
        own.setdefault(scale_class.group, []).append(number)
    for group in np.flatnonzero(candidates).tolist():
        numbers = own.get(group, [])
        candidates[group] = len(numbers) == 1 and classes[numbers[0]].values is ScaleSet.NONZERO
    base = _bases(units)
    candidates[[base[group] for group in own if base[group] != group]] = False
    for leg, scale in scales.items():
        group = base[int(units.group[units.slot[leg]])]
        if candidates[group]:
            powers = [(abs(f.power), f.parity) for f in scale if f.scale_class == own[group][0]]
            candidates[group] = powers == [(1, 1)]
    return frozenset(np.flatnonzero(candidates).tolist())


def _met_nonlinearly(legs: Legs, units: Partition) -> Ints:
    """Groups that a fact other than a linear one speaks of, and groups of larger units."""
    found = [np.empty(0, dtype=np.int64)]
    for record in legs.records:
        if not record.linear:
            found.append(record.legs.reshape(-1))
        elif record.nests:
            found.append(record.legs[-1])
    return np.unique(_bases(units)[units.group[units.slot[np.unique(np.concatenate(found))]]])


def _bases(units: Partition) -> Ints:
    """``[groups]``, the group whose matrices act on each: that across for units at crossings."""
    base = np.arange(len(units.across))
    while (units.across[base] >= 0).any():
        base = np.where(units.across[base] >= 0, units.across[base], base)
    return base
