"""Groups on which matrices act: units that nothing but linear maps, scalar products, norms and rotations meet."""

from __future__ import annotations

import numpy as np
import torch

from wsgraph.space import MatrixSet, ScaleClass, ScaleSet
from wsgraph.space.scale import Scale
from wsgraph.trace.action import draw_action
from wsgraph.trace.crossings import base_units
from wsgraph.trace.legs import LEG, Ints, Legs
from wsgraph.trace.planes import Coordinates, find_planes
from wsgraph.trace.probe import Probe
from wsgraph.trace.solve import Bools, Partition


def matrix_sets(
    probe: Probe, units: Partition, classes: tuple[ScaleClass, ...], scales: dict[int, Scale]
) -> tuple[dict[int, MatrixSet], dict[int, Coordinates]]:
    """What matrices act on each group on which any do, and the coordinates of the legs where units are planes."""
    legs = probe.tracer.legs
    found = dict.fromkeys(linear_groups(legs, units, classes, scales), MatrixSet.GENERAL)
    generator = torch.Generator().manual_seed(0)
    stored = _stored_legs(probe, units)
    base, _ = base_units(units)
    planes = {}
    for group, coordinates in find_planes(legs, units).items():
        of_kind = {int(units.kind[leg]): scales.get(leg, ()) for leg in stored if base[units.slot[leg]] == group}
        if group in found or any(of_kind.get(k) != of_kind.get(coordinates[k][1]) for k in of_kind if k in coordinates):
            continue
        if probe.allows(draw_action(units, group, MatrixSet.COMPLEX, coordinates, generator)):
            found[group], planes[group] = MatrixSet.COMPLEX, coordinates
    for group in _orthogonal_candidates(legs, units, classes, scales, stored):
        if group not in found and probe.allows(draw_action(units, group, MatrixSet.ORTHOGONAL, {}, generator)):
            found[group] = MatrixSet.ORTHOGONAL
    return found, planes


def _stored_legs(probe: Probe, units: Partition) -> list[int]:
    """The legs of stored tensors that belong to the first unit of a group."""
    labels = [label[LEG].reshape(-1) for known in probe.tracer.tensor_labels.values() for label in known.values()]
    is_first = units.is_first[units.slot]
    found: list[int] = np.unique(
        np.concatenate([np.empty(0, np.int64), *(legs[is_first[legs]] for legs in labels)])
    ).tolist()
    return found


def _orthogonal_candidates(
    legs: Legs, units: Partition, classes: tuple[ScaleClass, ...], scales: dict[int, Scale], stored: list[int]
) -> list[int]:
    """Groups of several free units whose multipliers no operator restricts, with one sign for each unit, or none."""
    candidates = _of_several(units)
    candidates[units.across[units.across >= 0]] = False
    for record in legs.records:
        alone = record.joins == len(record.legs) == 1
        if record.holds or (alone and (record.magnitude, record.sign) != (None, None)):
            candidates[units.group[units.slot[record.legs[0]]]] = False
    own = [c.group for c in classes]
    signed = {c.group for c in classes if c.values is ScaleSet.SIGN and own.count(c.group) == 1}
    for leg in stored:
        group = int(units.group[units.slot[leg]])
        factors = [f for f in scales.get(leg, ()) if own[f.scale_class] == group]
        candidates[group] &= [f.parity for f in factors] == ([1] if group in signed else [])
    met = np.unique(units.group[units.slot[stored]])
    return [group for group in np.flatnonzero(candidates).tolist() if group in met]


def _of_several(units: Partition) -> Bools:
    """``[groups]``, whether there are several units, and none of them stays."""
    sizes = np.bincount(units.group)
    several: Bools = ~units.still & (sizes > np.where(units.parent >= 0, sizes[units.parent], 1))
    return several


def linear_groups(
    legs: Legs, units: Partition, classes: tuple[ScaleClass, ...], scales: dict[int, Scale]
) -> frozenset[int]:
    """The groups of several free units in which every recorded fact stays true under GL(n).

    Each leg must be multiplied by its group's own multiplier or by the inverse: a matrix takes its place, or the
    inverse transpose.
    """
    candidates = _of_several(units)
    candidates[_met_nonlinearly(legs, units)] = False
    candidates[units.parent[units.parent >= 0]] = False
    own: dict[int, list[int]] = {}
    for number, scale_class in enumerate(classes):
        own.setdefault(scale_class.group, []).append(number)
    for group in np.flatnonzero(candidates).tolist():
        numbers = own.get(group, [])
        candidates[group] = len(numbers) == 1 and classes[numbers[0]].values is ScaleSet.NONZERO
    base, _ = base_units(units)
    candidates[[int(base[units.first[group]]) for group in own if units.across[group] >= 0]] = False
    for leg, scale in scales.items():
        group = int(base[units.slot[leg]])
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
    base, _ = base_units(units)
    return np.unique(base[units.slot[np.unique(np.concatenate(found))]])
