"""Whether a weight space that was not traced hangs together."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from wsgraph.errors import SpaceError
from wsgraph.space.across import lineage, num_common
from wsgraph.space.parts import ROLES, Axis, Block, NeuronGroup
from wsgraph.space.scale import Scale, ScaleClass
from wsgraph.space.shift import Shift, commutes

if TYPE_CHECKING:
    from wsgraph.space.weight_space import WeightSpace


def check(space: WeightSpace) -> None:
    """Make sure that all references exist, sizes fit, and blocks cover every floating tensor exactly once.

    Raises:
        SpaceError: Something does not fit; the message says what.
    """
    for group in space.groups:
        _check_parent(space, group)
    for number, group in enumerate(space.groups):
        _check_across(space, number, group)
    for scale_class in space.scales:
        _check_index(scale_class.group, len(space.groups), f"group of scale class {scale_class.name!r}")
    for scale_class in space.scales:
        _check_product(space, scale_class)
    for phase in space.phases:
        _check_index(phase.group, len(space.groups), f"group of phase class {phase.name!r}")
    for layer in space.layers:
        _check_index(layer.group, len(space.groups), f"group of layer {layer.name!r}")
        _check_scale(space, layer.scale, layer.group, f"layer {layer.name!r}")
    for connection in space.connections:
        if connection.role not in ROLES:
            raise SpaceError(f"Unknown role {connection.role!r} of a connection, expected one of {ROLES}.")
        _check_index(connection.target, len(space.layers), "target of a connection")
        if connection.source is not None:
            _check_index(connection.source, len(space.layers), "source of a connection")
        if connection.block is not None:
            _check_index(connection.block, len(space.blocks), "block of a connection")
    _check_blocks(space)
    for shift in space.shifts:
        _check_shift(space, shift)


def _check_shift(space: WeightSpace, shift: Shift) -> None:
    _check_index(shift.block, len(space.blocks), "block of a shift")
    block = space.blocks[shift.block]
    fits = len(shift.runs) == len(block.shape) and all(r > 0 for r in shift.runs)
    if not fits or any(size % runs for size, runs in zip(block.shape, shift.runs, strict=True)):
        raise SpaceError(f"A shift of {block.tensor!r} has runs {shift.runs}, which do not fit {block.shape}.")
    if not commutes(space, shift):
        raise SpaceError(f"A shift of {block.tensor!r} has runs {shift.runs}, which other symmetries tear apart.")


def _check_blocks(space: WeightSpace) -> None:
    covered: dict[str, list[np.ndarray]] = defaultdict(list)
    for block in space.blocks:
        for axis in block.axes:
            _check_index(axis.group, len(space.groups), f"group of a block of {block.tensor!r}")
            _check_scale(space, axis.scale, axis.group, f"a block of {block.tensor!r}")
            if len(axis.offsets) != space.groups[axis.group].size:
                raise SpaceError(
                    f"A block of {block.tensor!r} has {len(axis.offsets)} units of a group of another size."
                )
            _check_plane(space, block, axis)
            if axis.phase is not None:
                _check_index(axis.phase, len(space.phases), f"phase of a block of {block.tensor!r}")
            if block.pieces < 1 or len(axis.offsets) % block.pieces:
                raise SpaceError(f"A block of {block.tensor!r} cannot be cut into {block.pieces} equal pieces.")
        if block.turns is not None:
            _check_index(block.turns, len(space.phases), f"turns of a block of {block.tensor!r}")
        covered[block.tensor].append(block.index().reshape(-1))
    expected = {t.name: t.numel for t in space.tensors if t.is_floating and t.same_as is None}
    for name in covered.keys() - expected.keys():
        raise SpaceError(f"There is no floating tensor {name!r} for a block.")
    for name, numel in expected.items():
        found = np.sort(np.concatenate([np.empty(0, np.int64), *covered[name]]))
        if not np.array_equal(found, np.arange(numel)):
            raise SpaceError(f"The blocks do not cover tensor {name!r} exactly once.")


def _check_plane(space: WeightSpace, block: Block, axis: Axis) -> None:
    """The other coordinates of planes are of the same tensor, in a block of the same shape, and know of these."""
    if axis.plane is None:
        return
    coordinate, partner = axis.plane
    _check_index(partner, len(space.blocks), f"block of the other coordinates of planes of {block.tensor!r}")
    other = space.blocks[partner]
    known = [(a.group, a.plane.coordinate) for a in other.axes if a.plane is not None]
    if (axis.group, 1 - coordinate) not in known or (other.tensor, other.shape) != (block.tensor, block.shape):
        raise SpaceError(f"A block of {block.tensor!r} lacks the other coordinates of its planes.")


def _check_parent(space: WeightSpace, group: NeuronGroup) -> None:
    seen, parent = 0, group.parent
    while parent is not None:
        _check_index(parent, len(space.groups), f"parent of group {group.name!r}")
        if space.groups[parent].size == 0 or group.size % space.groups[parent].size:
            raise SpaceError(f"Group {group.name!r} of {group.size} units has no equal pieces for its parent's units.")
        seen, parent = seen + 1, space.groups[parent].parent
        if seen > len(space.groups):
            raise SpaceError(f"Group {group.name!r} is a part of itself.")


def _check_across(space: WeightSpace, number: int, group: NeuronGroup) -> None:
    seen, across = {number}, group.across
    while across is not None:
        _check_index(across, len(space.groups), f"group across group {group.name!r}")
        if across in seen:
            raise SpaceError(f"Group {group.name!r} is a part of itself.")
        seen.add(across)
        across = space.groups[across].across
    if group.across is None:
        return
    if group.parent is None or not group.fixed or group.linear:
        raise SpaceError(f"Group {group.name!r} lies at crossings, so it needs a parent, and no freedom of its own.")
    parts, count = (
        space.groups[group.parent].size * space.groups[group.across].size,
        num_common(space, group.across, group.parent),
    )
    if group.size * count != parts:
        raise SpaceError(f"Group {group.name!r} has {group.size} units at {parts // max(count, 1)} crossings.")


def _check_product(space: WeightSpace, scale_class: ScaleClass) -> None:
    if scale_class.unit_over is not None:
        _check_index(scale_class.unit_over, len(space.groups), f"group of larger units of {scale_class.name!r}")
        if scale_class.product_of is not None or not _has_parts(space, scale_class.unit_over, scale_class.group):
            raise SpaceError(f"Scale class {scale_class.name!r} has the product 1 over units that are no parts.")
    if scale_class.product_of is None:
        return
    _check_index(scale_class.product_of, len(space.scales), f"class of the parts of {scale_class.name!r}")
    parts = space.scales[scale_class.product_of]
    if parts.product_of is not None or parts.values is not scale_class.values:
        raise SpaceError(f"Scale class {scale_class.name!r} is no product of free multipliers of its own kind.")
    if not _has_parts(space, scale_class.group, parts.group):
        raise SpaceError(f"Scale class {scale_class.name!r} is a product over units that are no parts of its own.")


def _has_parts(space: WeightSpace, group: int, parts: int) -> bool:
    """Whether the units of a group consist of those of another one: a single unit of all."""
    return space.groups[group].size == 1 or group in lineage(space, space.groups[parts].parent)


def _check_scale(space: WeightSpace, scale: Scale, group: int, owner: str) -> None:
    for factor in scale:
        _check_index(factor.scale_class, len(space.scales), f"scale class of {owner}")
        size = space.groups[space.scales[factor.scale_class].group].size
        if size == 0 or space.groups[group].size % size:
            raise SpaceError(f"The scale of {owner} belongs to a group of another size.")


def _check_index(index: int, count: int, name: str) -> None:
    if not 0 <= index < count:
        raise SpaceError(f"The {name} is number {index}, of {count}.")
