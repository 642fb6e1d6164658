"""Whether a weight space that was not traced hangs together."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from wsgraph.errors import SpaceError
from wsgraph.space.parts import ROLES, NeuronGroup
from wsgraph.space.scale import Scale
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
    for scale_class in space.scales:
        _check_index(scale_class.group, len(space.groups), f"group of scale class {scale_class.name!r}")
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


def _check_parent(space: WeightSpace, group: NeuronGroup) -> None:
    seen, parent = 0, group.parent
    while parent is not None:
        _check_index(parent, len(space.groups), f"parent of group {group.name!r}")
        if space.groups[parent].size == 0 or group.size % space.groups[parent].size:
            raise SpaceError(f"Group {group.name!r} of {group.size} units has no equal pieces for its parent's units.")
        seen, parent = seen + 1, space.groups[parent].parent
        if seen > len(space.groups):
            raise SpaceError(f"Group {group.name!r} is a part of itself.")


def _check_scale(space: WeightSpace, scale: Scale, group: int, owner: str) -> None:
    for factor in scale:
        _check_index(factor.scale_class, len(space.scales), f"scale class of {owner}")
        size = space.groups[space.scales[factor.scale_class].group].size
        if size == 0 or space.groups[group].size % size:
            raise SpaceError(f"The scale of {owner} belongs to a group of another size.")


def _check_index(index: int, count: int, name: str) -> None:
    if not 0 <= index < count:
        raise SpaceError(f"The {name} is number {index}, of {count}.")
