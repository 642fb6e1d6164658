"""Updated weights from final features of nodes and edges."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from wsgraph.graph import NODE_FEATURES, NeuronGraph, topology
from wsgraph.graph.links import Link, positions
from wsgraph.graph.topology import numbers_at
from wsgraph.nn.canonical import ScaleInvariant
from wsgraph.nn.encoder import VARIANCE
from wsgraph.nn.reset import reset_children
from wsgraph.nn.structure import Flow, structure
from wsgraph.nn.units import Units, batch_units, edge_flows, unit_table
from wsgraph.space import WeightSpace
from wsgraph.space.per_space import per_space

Changed = tuple[Tensor, Tensor]
"""Which of some changes change a weight, and where it stands in the flat weights."""


@per_space
def flow_positions(space: WeightSpace) -> Tensor:
    """Where the numbers of the flows among the edges stand in the flat weights, ``[edges, columns]``."""
    return topology(space).edges.weight[edge_flows(space).flows]


class FeatureUpdate(nn.Module):
    r"""Changes of weights by linear maps of edge features, of biases by those of node features.

    .. math:: w'_{ij} = w_{ij} + Γ_e e_{ij}, \qquad b'_i = b_i + Γ_v x_i, \qquad
        g'_i + ε = (g_i + ε) \exp\tanh φ(\mathrm{canon}(x_i))

    for the other vectors g (gains, means, variances, slopes; ε for running variances only).

    **Symmetry**: equivariant to permutations and to every scale class, or to permutations alone.

    Args:
        channels: Width of the features.
        columns: Number of kernel columns of an edge.
        scales: Whether the features are multiplied as their units are; if not, canon changes nothing.

    Shapes:
        - **output**: weights ``[B, P]`` (dense), or ``[sum of P]`` (sparse)
    """

    def __init__(self, channels: int, columns: int, scales: bool = True) -> None:
        super().__init__()
        self.scales = scales
        self.edge = nn.Linear(channels, columns, bias=False)
        self.bias = nn.Linear(channels, 1, bias=False)
        self.vector = ScaleInvariant(channels, len(NODE_FEATURES) - 1)

    def reset_parameters(self) -> None:
        """Draw new initial weights."""
        reset_children(self)

    def dense(
        self,
        space: WeightSpace,
        weights: Tensor,
        nodes: list[Tensor],
        edges: dict[Flow, Tensor],
        changed_of: Callable[[WeightSpace], Changed] | None = None,
    ) -> Tensor:
        """From features ``[B, units, C]`` of every layer and ``[B, pieces, targets, m, C]`` of every flow.

        Args:
            space: The weight space.
            weights: ``[B, P]``.
            nodes: Features of the nodes.
            edges: Features of the edges.
            changed_of: What is changed by nodes and edges, see :func:`changed_by`; by those of the flows if not given.
        """
        x, table = torch.cat(nodes, dim=1), node_numbers(space)
        changes = [self._vector_changes(x, numbers_at(weights, table), unit_table(space)).flatten(1)]
        for flow, features in edges.items():
            if flow.link.block is not None:
                changes.append(self.edge(features)[..., : flow.link.columns].flatten(1))
        kept, where = (table.to(x.device) for table in (changed_of or changed_by_flows)(space))
        return weights.index_add(1, where, torch.cat(changes, dim=1)[:, kept].to(weights))

    def sparse(
        self,
        graphs: NeuronGraph,
        x: Tensor,
        edge_attr: Tensor,
        positions_of: Callable[[WeightSpace], Tensor] = flow_positions,
    ) -> Tensor:
        """From features ``[N, C]`` of all nodes and ``[E, C]`` of edges.

        Args:
            graphs: The graphs.
            x: Features of the nodes.
            edge_attr: Features of the edges.
            positions_of: Where the numbers of a graph's edges stand in its flat weights, ``[edges, columns]``; those
                of the flows if not given.
        """
        vectors = self._vector_changes(x, graphs.x, batch_units(graphs))
        edges, pieces, edge, node = self.edge(edge_attr), [], 0, 0
        for space, matrix in graphs.matrices():
            where, count = positions_of(space), len(matrix)
            ends = edge + count * len(where), node + count * space.num_nodes
            change = edges[edge : ends[0], : where.shape[1]].reshape(count, -1, where.shape[1])
            matrix = _add_at(matrix, where, change)
            matrix = _add_at(matrix, topology(space).node_feature, vectors[node : ends[1]].unflatten(0, (count, -1)))
            pieces.append(matrix.reshape(-1))
            edge, node = ends
        return torch.cat(pieces)

    def _vector_changes(self, x: Tensor, numbers: Tensor, units: Units) -> Tensor:
        """Changes ``[..., N, features]`` of the numbers that nodes hold."""
        flags = tuple(flag[:, None].to(x.device) if self.scales else False for flag in (units.magnitude, units.sign))
        growth = self.vector(x, *flags).tanh().expm1()
        shift = torch.zeros_like(numbers)
        shift[..., VARIANCE] = units.eps.to(x)
        return torch.cat([self.bias(x), (numbers + shift)[..., 1:] * growth], dim=-1)


@per_space
def node_numbers(space: WeightSpace) -> Tensor:
    """Where the numbers of nodes stand in the flat weights: see :attr:`~wsgraph.graph.Topology.node_feature`."""
    return topology(space).node_feature


def changed_by(space: WeightSpace, found: Iterable[Link]) -> Changed:
    """Which of the changes of nodes and of these links change a weight, and where it stands."""
    where = [positions(space, link).reshape(-1) for link in found if link.block is not None]
    flat = torch.cat([node_numbers(space).reshape(-1), *where])
    kept = (flat < space.num_weights).nonzero()[:, 0]
    return kept, flat[kept]


@per_space
def changed_by_flows(space: WeightSpace) -> Changed:
    """What nodes and flows change."""
    return changed_by(space, (flow.link for flows in structure(space).flows for flow in flows))


def _add_at(matrix: Tensor, positions: Tensor, values: Tensor) -> Tensor:
    """``[B, P]`` with ``[B, n, k]`` added at positions ``[n, k]``; positions from P on are dropped."""
    flat = positions.reshape(-1).to(matrix.device)
    inside = (flat < matrix.shape[1]).nonzero()[:, 0]
    return matrix.index_add(1, flat[inside], values.reshape(len(matrix), -1)[:, inside].to(matrix))
