"""Nodes and edges of the neuron graphs of a weight space: integers only, made once for each space."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from wsgraph.space import Connection, WeightSpace

MAX_KERNEL_COLUMNS = 9
"""Kernels up to this size are columns of ``edge_attr``; larger ones are parallel edges, one for each offset."""

NODE_FEATURES = ("bias", "gain", "mean", "variance", "slope")
"""Columns of ``x``. The bias of a normalisation is its shift."""

OPERATORS = (
    *("input", "data", "linear", "pointwise", "mean", "sum", "amax", "amin", "softmax", "log_softmax"),
    *("batch_norm", "instance_norm", "group_norm", "layer_norm", "rms_norm", "other"),
)
"""Vocabulary of node types."""

WEIGHT_EDGE, OPERAND_EDGE = 0, 1
"""Edge types: an entry of a weight, or the passing of a value from unit to unit (skips, norms, activations)."""


@dataclass(frozen=True, eq=False)
class Topology:
    """Edges run from source to target, in the direction of the forward pass, sorted by target.

    Attributes:
        edge_index: ``[2, E]``.
        edge_weight: ``[E, K]``, where each edge's numbers stand in the flat weights; P for a column without one,
            P + 1 for the number 1 of an operand edge.
        edge_type: ``[E]``, ``WEIGHT_EDGE`` or ``OPERAND_EDGE``.
        edge_offset: ``[E]``, kernel offset of a parallel edge.
        node_feature: ``[N, F]``, where each node's numbers stand in the flat weights; P for none, P + 1 for the
            number 1 (gain and variance of a normalisation without them).
        node_type: ``[N]``, index into ``OPERATORS``.
        node_layer: ``[N]``, index of the layer.
    """

    edge_index: Tensor
    edge_weight: Tensor
    edge_type: Tensor
    edge_offset: Tensor
    node_feature: Tensor
    node_type: Tensor
    node_layer: Tensor


@lru_cache(maxsize=64)
def topology(space: WeightSpace) -> Topology:
    """The topology of a weight space."""
    pieces = [_edges(space, c) for c in dict.fromkeys(space.connections) if c.source is not None]
    columns = max((p[1].shape[1] for p in pieces), default=1)
    width = space.num_weights
    ends = torch.cat([torch.empty(2, 0, dtype=torch.long), *(p[0] for p in pieces)], dim=1)
    padded = [torch.nn.functional.pad(p[1], (0, columns - p[1].shape[1]), value=width) for p in pieces]
    weight = torch.cat([torch.empty(0, columns, dtype=torch.long), *padded])
    kind = torch.cat([torch.empty(0, dtype=torch.long), *(torch.full((p[1].shape[0],), p[3]) for p in pieces)])
    offset = torch.cat([torch.empty(0, dtype=torch.long), *(p[2] for p in pieces)])
    order = ends[1].argsort(stable=True)
    sizes = torch.tensor([space.size(i) for i in range(len(space.layers))])
    types = torch.tensor([_operator_number(layer.operator) for layer in space.layers])
    return Topology(
        ends[:, order],
        weight[order],
        kind[order],
        offset[order],
        _node_features(space),
        types.repeat_interleave(sizes),
        torch.arange(len(sizes)).repeat_interleave(sizes),
    )


def numbers_at(weights: Tensor, positions: Tensor) -> Tensor:
    """Numbers ``[B, n, k]`` of weights ``[B, P]`` at positions ``[n, k]``, with 0 at P and 1 at P + 1."""
    constants = torch.tensor([0.0, 1.0], dtype=weights.dtype, device=weights.device).expand(len(weights), 2)
    return torch.cat([weights, constants], dim=1)[:, positions.to(weights.device)]


def _operator_number(operator: str) -> int:
    return OPERATORS.index(operator) if operator in OPERATORS else len(OPERATORS) - 1


def _edges(space: WeightSpace, connection: Connection) -> tuple[Tensor, Tensor, Tensor, int]:
    """Ends ``[2, e]``, positions of the numbers ``[e, k]``, kernel offsets ``[e]`` and type of a connection's edges."""
    assert connection.source is not None
    first_source, first_target = space.node_offsets[connection.source], space.node_offsets[connection.target]
    if connection.block is None:
        units = torch.arange(space.size(connection.target))
        source = units if space.size(connection.source) > 1 else 0 * units  # one unit may meet many
        ends = torch.stack([first_source + source, first_target + units])
        return ends, torch.full((len(units), 1), space.num_weights + 1), torch.zeros_like(units), OPERAND_EDGE
    positions = _matrix(space, connection)
    if positions.dim() == 2:  # a diagonal
        units = torch.arange(len(positions))
        source, target = first_source + units, first_target + units
    else:
        target = (first_target + torch.arange(positions.shape[0]))[:, None].expand(positions.shape[:2]).reshape(-1)
        source = (first_source + torch.arange(positions.shape[1]))[None].expand(positions.shape[:2]).reshape(-1)
        positions = positions.reshape(-1, positions.shape[2])
    return *_columns_or_edges(torch.stack([source, target]), positions), WEIGHT_EDGE


def _columns_or_edges(ends: Tensor, positions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Kernel positions ``[e, k]`` as columns of one edge, or as edges of their own if there are many."""
    count, kernel = positions.shape
    if kernel <= MAX_KERNEL_COLUMNS:
        return ends, positions, torch.zeros(count, dtype=torch.long)
    return ends.repeat_interleave(kernel, dim=1), positions.reshape(-1, 1), torch.arange(kernel).repeat(count)


def _matrix(space: WeightSpace, connection: Connection) -> Tensor:
    """Positions in the flat vector: ``[targets, sources, kernel]`` of a matrix, ``[units, kernel]`` of a diagonal."""
    assert connection.block is not None
    block, part = space.blocks[connection.block], space.slices[connection.block]
    positions = torch.arange(part.start, part.stop).reshape(*block.shape[: len(block.axes)], block.kernel_size)
    return positions.transpose(0, 1) if connection.target_axis == 1 else positions


def _node_features(space: WeightSpace) -> Tensor:
    table = torch.full((space.num_nodes, len(NODE_FEATURES)), space.num_weights)
    for i, layer in enumerate(space.layers):
        if layer.operator.endswith("_norm"):
            nodes = slice(space.node_offsets[i], space.node_offsets[i + 1])
            table[nodes, [NODE_FEATURES.index(n) for n in ("gain", "variance")]] = space.num_weights + 1
    for connection in space.connections:
        name = "bias" if connection.role == "shift" else connection.role
        if connection.block is not None and name in NODE_FEATURES:
            nodes = slice(space.node_offsets[connection.target], space.node_offsets[connection.target + 1])
            table[nodes, NODE_FEATURES.index(name)] = _matrix(space, connection)[:, 0]
    return table
