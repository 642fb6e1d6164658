"""An affine change of a layer's values, carried back through the layers before it to weights that take it up."""

from __future__ import annotations

import torch

from wsgraph.errors import SpaceError
from wsgraph.space import Connection, WeightSpace
from wsgraph.transforms.affine_change import AffineChange, BlockEditor
from wsgraph.transforms.passage import (
    before_activation,
    check_alone,
    check_hidden,
    check_operator,
    order_of,
    summands,
    takes_shift,
)

KEPT = ("mean", "variance", "slope", "operand")
"""Roles of numbers that keep their values, and move with their units."""


def carry_back(editor: BlockEditor, index: int, change: AffineChange, reader: int | None = None) -> None:
    """Change weights so that a layer's values y become A y + t.

    Args:
        editor: The weights.
        index: The layer.
        change: A and t.
        reader: The layer that reads y and that was changed before, or None for the output of the network.

    Raises:
        SpaceError: Something on the way cannot take up this change, or is used in other places, too.
    """
    if change.is_identity:
        return
    space, layer = editor.space, editor.space.layers[index]
    check_alone(space, index, reader)
    check_hidden(layer, change)
    change = before_activation(layer, change)
    check_operator(space, index, change)
    for connection in space.incoming[index]:
        if connection.block is not None:
            _change_block(editor, connection, change)
    for source, part in _parts(space, index, change).items():
        if not part.is_identity and space.layers[source].group != layer.group:
            name = space.layers[source].name
            raise SpaceError(
                f"The output cannot be changed: layer {layer.name!r} reads {name!r}, which has other units."
            )
        carry_back(editor, source, part, index)


def _change_block(editor: BlockEditor, connection: Connection, change: AffineChange) -> None:
    """Change a block that enters a layer whose values change."""
    space, role = editor.space, connection.role
    weight = editor.matrix(connection) if role == "weight" else None
    if weight is not None:
        weight.copy_(torch.einsum("npit,nptsk->npisk", change.pieces(weight.shape[1]), weight))
    elif role in ("bias", "shift"):
        bias = editor.vector(connection)
        bias.copy_(change.matrix @ bias + change.vector[:, :, None])
    elif role in ("weight", "gain"):
        order_of(space, connection.target, change)
        factor = editor.vector(connection)
        factor.copy_(change.matrix @ factor)
    elif role in KEPT:
        order = order_of(space, connection.target, change)
        block = space.blocks[connection.block or 0]
        if not order.is_identity and block.shape[:1] == (space.size(connection.target),):
            values = editor.vector(connection)
            values.copy_(order.matrix @ values)
    else:
        name, tensor = space.layers[connection.target].name, space.blocks[connection.block or 0].tensor
        raise SpaceError(f"Layer {name!r} cannot be changed: its numbers are computed from {tensor!r} and others.")


def _parts(space: WeightSpace, index: int, change: AffineChange) -> dict[int, AffineChange]:
    """What is left for the layers that a layer reads unit by unit."""
    plus = summands(space, index)
    takers = [i for i in plus if takes_shift(space, i)][:1]
    parts: dict[int, AffineChange] = {}
    for connection in space.incoming[index]:
        source, linear = connection.source, space.layers[index].operator == "linear"
        if source is None or (connection.role == "weight" and len(space.blocks[connection.block or 0].axes) > 1):
            continue
        if source in takers:
            parts[source] = change
        elif (linear and connection.role == "operand") or plus:
            parts[source] = change.without_shift()
        else:
            parts[source] = order_of(space, index, change)
    return parts
