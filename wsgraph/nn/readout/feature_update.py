"""Updated weights from final features of nodes and edges."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from wsgraph.graph import NODE_FEATURES, NeuronGraph, topology
from wsgraph.graph.links import Link, positions
from wsgraph.graph.topology import numbers_at
from wsgraph.nn.canonical import ScaleInvariant
from wsgraph.nn.encoder import VARIANCE
from wsgraph.nn.reset import reset_children
from wsgraph.nn.structure import Flow
from wsgraph.nn.units import Units, batch_units, edge_flows, unit_table
from wsgraph.space import WeightSpace
from wsgraph.space.per_space import per_space


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

    def dense(self, space: WeightSpace, weights: Tensor, nodes: list[Tensor], edges: dict[Flow, Tensor]) -> Tensor:
        """From features ``[B, units, C]`` of every layer and ``[B, pieces, targets, m, C]`` of every flow."""
        x, table = torch.cat(nodes, dim=1), node_numbers(space)
        units = unit_table(space).to(x.device)
        changes = [self._vector_changes(x, numbers_at(weights, table), units).flatten(1)]
        found = {flow.link: features for flow, features in edges.items() if flow.link.block is not None}
        changes += [self.edge(features)[..., : link.columns].flatten(1) for link, features in found.items()]
        kept, where = (t.to(x.device) for t in changed_weights(space, tuple(found)))
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
        flags = (units.magnitude[:, None], units.sign[:, None]) if self.scales else (False, False)
        growth = self.vector(x, *flags).tanh().expm1()
        shift = torch.zeros_like(numbers)
        shift[..., VARIANCE] = units.eps.to(x)
        return torch.cat([self.bias(x), (numbers + shift)[..., 1:] * growth], dim=-1)


@per_space
def node_numbers(space: WeightSpace) -> Tensor:
    """Where the numbers of nodes stand in the flat weights: see :attr:`~wsgraph.graph.Topology.node_feature`."""
    return topology(space).node_feature


@per_space
def changed_weights(space: WeightSpace, found: tuple[Link, ...]) -> tuple[Tensor, Tensor]:
    """Which of the changes of nodes and of these links change a weight, and where it stands."""
    where = [node_numbers(space).reshape(-1), *(positions(space, link).reshape(-1) for link in found)]
    flat = torch.cat(where)
    kept = (flat < space.num_weights).nonzero()[:, 0]
    return kept, flat[kept]


def _add_at(matrix: Tensor, positions: Tensor, values: Tensor) -> Tensor:
    """``[B, P]`` with ``[B, n, k]`` added at positions ``[n, k]``; positions from P on are dropped."""
    flat = positions.reshape(-1).to(matrix.device)
    inside = (flat < matrix.shape[1]).nonzero()[:, 0]
    return matrix.index_add(1, flat[inside], values.reshape(len(matrix), -1)[:, inside].to(matrix))
