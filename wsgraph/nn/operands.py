"""What enters a unit besides flows: operands of elementwise operators, of products and of reductions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wsgraph.graph.links import common_pieces
from wsgraph.nn.aligned import aligned
from wsgraph.nn.pointwise import carried, keeps_scales
from wsgraph.nn.powers import Powers, over_parts, part, powers
from wsgraph.nn.structure import mixes, structure
from wsgraph.space import Connection, WeightSpace
from wsgraph.space.across import crosses
from wsgraph.space.scale import Scale

REDUCTIONS = ("sum", "mean", "amax", "amin")


@dataclass(frozen=True, eq=False)
class Operand:
    """Values ``[B, units, C]`` (or one for all channels) that enter a layer, their scale, and their group."""

    state: Tensor
    scale: Scale
    group: int


# ------------------------------------------------------------------- reading


def operands_of(space: WeightSpace, layer: int, weights: Tensor, states: list[Tensor]) -> list[Operand]:
    """The operands of a layer, in the order of the connections."""
    found = []
    for connection in _entering(space, layer):
        source = connection.source
        state = mean_over_others(space, connection, weights) if source is None else states[source]
        found.append(Operand(state, *_kind(space, connection)))
    return found


def _entering(space: WeightSpace, layer: int) -> list[Connection]:
    return [c for c in space.incoming[layer] if c.role == "operand" and (c.block is None or _runs_alone(space, c))]


def _kind(space: WeightSpace, connection: Connection) -> tuple[Scale, int]:
    """The scale and the group of an operand."""
    if connection.source is not None:
        return space.layers[connection.source].scale, space.layers[connection.source].group
    assert connection.block is not None
    axis = space.blocks[connection.block].axes[connection.target_axis]
    return axis.scale, axis.group


def _runs_alone(space: WeightSpace, connection: Connection) -> bool:
    """Whether no multiplier acts along the other axes of a block, so that means over them make sense."""
    assert connection.block is not None
    block = space.blocks[connection.block]
    others = [axis for a, axis in enumerate(block.axes) if a != connection.target_axis]
    return (block.pieces == 1 or not others) and not any(powers(space, (axis.scale, 1)) for axis in others)


def mean_over_others(space: WeightSpace, connection: Connection, weights: Tensor) -> Tensor:
    """The entries of a block for each unit of its target, ``[B, units, 1]``: means over all other axes."""
    assert connection.block is not None
    block = space.blocks[connection.block]
    view = space.block_view(weights, connection.block).reshape(len(weights), *block.shape)
    if len(block.axes) > 1:
        view = view.movedim(1 + connection.target_axis, 1)
    size = len(block.axes[connection.target_axis].offsets)
    return view.reshape(len(weights), size, -1).mean(-1, keepdim=True)


def wide_biases(space: WeightSpace, layer: int) -> list[Connection]:
    """Biases of several axes (tokens that are learned), as far as they are multiplied as the layer is."""
    wanted = powers(space, (space.layers[layer].scale, 1))
    return [
        c
        for c in space.incoming[layer]
        if c.role == "bias" and c.block is not None and len(space.blocks[c.block].axes) > 1 and _runs_alone(space, c)
        if powers(space, (_kind(space, c)[0], 1)) == wanted and _kind(space, c)[1] == space.layers[layer].group
    ]


# ----------------------------------------------------------------- computing


def is_exact(space: WeightSpace, layer: int) -> bool:
    """Whether the elementwise call of a layer gives, of its operands, what the layer's scale says."""
    call, group = space.layers[layer].pointwise, space.layers[layer].group
    entering = _entering(space, layer)
    if call is None or {a for a in call.args if _is_operand(a)} != {f"${k}" for k in range(len(entering))}:
        return False
    kinds = [_kind(space, connection) for connection in entering]
    if any(not holds_parts(space, own, group) for _, own in kinds):
        return False
    if call.op.startswith("prelu") and structure(space).vectors[layer].slope is None:
        return False
    result = powers(space, (space.layers[layer].scale, 1))
    return keeps_scales(call, space.scales, [powers(space, (scale, 1)) for scale, _ in kinds], result)


def holds_parts(space: WeightSpace, whole: int, group: int) -> bool:
    """Whether every unit of a group is a part of a unit of another one (or is that unit)."""
    return crosses(space, group, whole) or common_pieces(space, whole, group) == space.groups[whole].size


def _is_operand(argument: object) -> bool:
    return isinstance(argument, str) and argument.startswith("$")


def gathered(space: WeightSpace, layer: int, operands: list[Operand], wanted: Powers, zeros: Tensor) -> Tensor:
    """The operands of a layer together: those of a unit, or of its parts, that can be brought to a multiplier.

    Args:
        space: The weight space.
        layer: The layer.
        operands: What enters it.
        wanted: The multiplier.
        zeros: ``[B, units, C]``, the result where there are none.
    """
    group, found = space.layers[layer].group, []
    for operand in operands:
        given = operand.state.to(zeros).expand(-1, -1, zeros.shape[2])
        state = carried(given, powers(space, (operand.scale, 1)), wanted)
        meet = crosses(space, operand.group, group) or crosses(space, group, operand.group)
        if state is not None and (meet or not mixes(space, powers(space, (operand.scale, 1)), operand.group, group)):
            has_parts = common_pieces(space, operand.group, group) == zeros.shape[1]
            state = state if has_parts else aligned(space, state, operand.group, group)
            found.append(state.unflatten(1, (zeros.shape[1], -1)))
    if not found:
        return zeros
    values = found[0] if len(found) == 1 else torch.cat(found, dim=2)
    return values[:, :, 0] if values.shape[2] == 1 else _reduced(values, space.layers[layer].operator)


def _reduced(values: Tensor, operator: str) -> Tensor:
    """Values ``[B, units, n, C]`` of each unit as one. What is left of numbers that cancel is 0, not their rounding."""
    result = getattr(torch, operator if operator in REDUCTIONS else "mean")(values, dim=2)
    if operator in ("amax", "amin"):
        return result
    rounding = 4 * torch.finfo(values.dtype).eps * values.detach().norm(dim=2)
    rounding = rounding if operator == "sum" else rounding / values.shape[2]
    return torch.where(result.detach().abs() > rounding, result, torch.zeros_like(result))


def multiplied(space: WeightSpace, operands: list[Operand]) -> list[Operand]:
    """The product of two operands, unit by unit, or of a larger unit with each of its parts."""
    if len(operands) != 2:
        return operands
    whole, parts = sorted(operands, key=lambda o: space.groups[o.group].size)
    if not holds_parts(space, whole.group, parts.group):
        return operands
    state = aligned(space, whole.state, whole.group, parts.group) * parts.state
    return [Operand(state, (*whole.scale, *parts.scale), parts.group)]


def parts_multiplied(space: WeightSpace, layer: int, operands: list[Operand]) -> list[Operand]:
    """The products of operands over the parts of a layer's units; without those whose multiplier no class holds."""
    group, found = space.layers[layer].group, []
    count = space.groups[group].size
    for operand in operands if count else ():
        if common_pieces(space, operand.group, group) == count:
            scale = over_parts(space, operand.scale, operand.group, group)
            state = operand.state.unflatten(1, (count, -1)).prod(2)
            found += [] if scale is None else [Operand(state, scale, group)]
    return found


def before_norm(space: WeightSpace, layer: int) -> Powers:
    """The multiplier that the input of a normalisation must have, so that its result has the layer's."""
    vectors, target = structure(space).vectors[layer], space.layers[layer]
    gains = [(space.blocks[b].axes[0].scale, -1.0) for b in (vectors.gain,) if b is not None]
    gains += [(space.blocks[b].axes[0].scale, 0.5) for b in (vectors.variance,) if b is not None]
    wanted = powers(space, (target.scale, 1.0), *gains)
    over_units = target.operator in ("layer_norm", "group_norm", "rms_norm")
    for connection in _entering(space, layer):
        scale = _kind(space, connection)[0]
        if over_units and not target.eps and powers(space, (part(scale, False, True), 1.0)) == wanted:
            return powers(space, (scale, 1.0))
    return wanted


def in_pieces(space: WeightSpace, layer: int, values: Tensor) -> Tensor:
    """Values ``[B, units, C]`` as ``[B, pieces, n, C]``: piece by piece, for each of the larger units of the group."""
    return values.unflatten(1, (space.num_pieces(space.layers[layer].group), -1))
