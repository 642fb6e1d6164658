"""Nodes and edges of the neuron graphs of a weight space: integers only, made when something asks for them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from wsgraph.graph.links import Link, block_positions, is_vector, links, num_edges, positions
from wsgraph.space import WeightSpace
from wsgraph.space.across import for_parts
from wsgraph.space.per_space import per_space

NODE_FEATURES = ("bias", "gain", "mean", "variance", "slope", "part")
"""Columns of ``x``. The bias of a normalisation is its shift; a part is any other vector that a unit has."""

ROLES = {"shift": "bias", "operand": "part"}
"""The columns of vectors whose role has another name."""

OPERATORS = (
    *("input", "data", "linear", "pointwise", "mean", "sum", "amax", "amin", "softmax", "log_softmax"),
    *("batch_norm", "instance_norm", "group_norm", "layer_norm", "rms_norm", "product", "prod", "other"),
)
"""Vocabulary of node types."""

EDGE_KINDS = ("weight", "operand", "part")
"""Names of the edge types."""

WEIGHT_EDGE, OPERAND_EDGE, PART_EDGE = range(3)
"""An entry of a weight; the passing of a value from unit to unit; an entry of what a computed weight is made of."""

MAX_KEPT_EDGES = 2**22
"""Edges of larger graphs are made anew for every question, since they take more memory than the weights."""


@dataclass(frozen=True, eq=False)
class Edges:
    """Edges run from source to target, in the direction of the forward pass, sorted by target.

    Attributes:
        index: ``[2, E]``.
        weight: ``[E, K]``, where each edge's numbers stand in the flat weights; P for a column without one, P + 1 for
            the number 1 of an operand edge.
        kind: ``[E]``, ``WEIGHT_EDGE``, ``OPERAND_EDGE`` or ``PART_EDGE``.
        offset: ``[E]``, kernel offset of a parallel edge.
        link: ``[E]``, the number of the edge's link.
    """

    index: Tensor
    weight: Tensor
    kind: Tensor
    offset: Tensor
    link: Tensor


class Topology:
    """Nodes and edges of one neuron graph.

    Args:
        space: The weight space.
    """

    def __init__(self, space: WeightSpace) -> None:
        self.space = space

    @cached_property
    def num_edges(self) -> int:
        """Number of edges."""
        return num_edges(self.space)

    @cached_property
    def num_columns(self) -> int:
        """K, the number of columns of ``edge_attr``."""
        return max((link.columns for link in links(self.space)), default=1)

    @property
    def edges(self) -> Edges:
        """All tables of the edges."""
        return self._kept_edges if self.num_edges <= MAX_KEPT_EDGES else _edges(self.space, self.num_columns)

    @cached_property
    def _kept_edges(self) -> Edges:
        return _edges(self.space, self.num_columns)

    @cached_property
    def node_feature(self) -> Tensor:
        """``[N, F]``: where each node's numbers stand in the flat weights.

        P for none, P + 1 for the number 1 (gain and variance of a normalisation without them).
        """
        return _node_features(self.space)

    @cached_property
    def layer_type(self) -> Tensor:
        """``[layers]``, index into ``OPERATORS``."""
        return torch.tensor([_operator_number(layer.operator) for layer in self.space.layers], dtype=torch.long)

    @cached_property
    def node_type(self) -> Tensor:
        """``[N]``, index into ``OPERATORS``."""
        return self.layer_type[self.node_layer]

    @cached_property
    def node_layer(self) -> Tensor:
        """``[N]``, index of the layer."""
        sizes = torch.tensor([self.space.size(i) for i in range(len(self.space.layers))], dtype=torch.long)
        return torch.arange(len(sizes)).repeat_interleave(sizes)


@per_space
def topology(space: WeightSpace) -> Topology:
    """The topology of a weight space."""
    return Topology(space)


def numbers_at(weights: Tensor, positions: Tensor) -> Tensor:
    """Numbers ``[B, n, k]`` of weights ``[B, P]`` at positions ``[n, k]``, with 0 at P and 1 at P + 1."""
    positions, count = positions.to(weights.device), weights.shape[1]
    weights = weights if count else weights.new_zeros(len(weights), 1)
    numbers = weights[:, positions.clamp(max=weights.shape[1] - 1)]
    return numbers.masked_fill_(positions == count, 0.0).masked_fill_(positions == count + 1, 1.0)


def _operator_number(operator: str) -> int:
    return OPERATORS.index(operator) if operator in OPERATORS else len(OPERATORS) - 1


def _edges(space: WeightSpace, columns: int) -> Edges:
    pieces = [_edges_of(space, link, columns) for link in links(space)]
    empty = torch.empty(0, dtype=torch.long)
    index = torch.cat([empty.expand(2, 0), *(p[0] for p in pieces)], dim=1)
    order = index[1].argsort(stable=True)
    weight = torch.cat([empty.reshape(0, columns), *(p[1] for p in pieces)])
    kind = [torch.full((len(p[1]),), edge_kind(link)) for p, link in zip(pieces, links(space), strict=True)]
    number = [torch.full((len(p[1]),), i) for i, p in enumerate(pieces)]
    rest = (torch.cat([empty, *tables])[order] for tables in (kind, [p[2] for p in pieces], number))
    return Edges(index[:, order], weight[order], *rest)


def edge_kind(link: Link) -> int:
    """The type of a link's edges: index into ``EDGE_KINDS``."""
    kinds = {"operand": OPERAND_EDGE, "part": PART_EDGE}
    return kinds.get(link.connection.role, WEIGHT_EDGE)


def _edges_of(space: WeightSpace, link: Link, columns: int) -> tuple[Tensor, Tensor, Tensor]:
    """Ends ``[2, e]``, positions of the numbers ``[e, columns]`` and kernel offsets ``[e]`` of a link's edges."""
    shape = (link.pieces, link.targets, link.sources)
    target, source = (torch.arange(link.pieces * n).reshape(link.pieces, n) for n in shape[1:])
    target = (space.node_offsets[link.target] + target)[:, :, None].expand(shape)
    source = (space.node_offsets[link.source] + source)[:, None].expand(shape)
    ends = torch.stack([source.reshape(-1), target.reshape(-1)])
    if link.block is None:
        numbers = torch.full((ends.shape[1], 1), space.num_weights + 1)
    else:
        numbers = positions(space, link).reshape(-1, link.kernel)
    offset = torch.zeros(ends.shape[1], dtype=torch.long)
    if link.is_parallel:
        offset = torch.arange(link.kernel).repeat(len(numbers))
        ends, numbers = ends.repeat_interleave(link.kernel, dim=1), numbers.reshape(-1, 1)
    missing = columns - numbers.shape[1]
    return ends, torch.nn.functional.pad(numbers, (0, missing), value=space.num_weights), offset


def _node_features(space: WeightSpace) -> Tensor:
    table = torch.full((space.num_nodes, len(NODE_FEATURES)), space.num_weights)
    for i, layer in enumerate(space.layers):
        if layer.operator.endswith("_norm"):
            nodes = slice(space.node_offsets[i], space.node_offsets[i + 1])
            table[nodes, [NODE_FEATURES.index(n) for n in ("gain", "variance")]] = space.num_weights + 1
    for connection in space.connections:
        name = ROLES.get(connection.role, connection.role)
        if connection.block is not None and is_vector(space, connection) and name in NODE_FEATURES:
            units = len(space.blocks[connection.block].axes[0].offsets)
            where = block_positions(space, connection.block).reshape(units, -1)[:, 0]
            nodes = slice(space.node_offsets[connection.target], space.node_offsets[connection.target + 1])
            group, own = space.blocks[connection.block].axes[0].group, space.layers[connection.target].group
            table[nodes, NODE_FEATURES.index(name)] = for_parts(space, where, own, group)
    return table
