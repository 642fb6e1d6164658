"""Updated weights from final features of nodes and edges."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsgraph.graph import NODE_FEATURES, NeuronGraph, topology
from wsgraph.graph.links import positions
from wsgraph.graph.topology import numbers_at
from wsgraph.nn.canonical import ScaleInvariant
from wsgraph.nn.encoder import VARIANCE
from wsgraph.nn.reset import reset_children
from wsgraph.nn.structure import Flow, structure
from wsgraph.nn.units import Units, batch_flows, batch_units, unit_table
from wsgraph.space import WeightSpace
from wsgraph.space.per_space import per_space


class FeatureUpdate(nn.Module):
    r"""Changes of weights by linear maps of edge features, of biases by those of node features.

    .. math:: w'_{ij} = w_{ij} + Γ_e e_{ij}, \qquad b'_i = b_i + Γ_v x_i, \qquad
        g'_i + ε = (g_i + ε) \exp\tanh φ(\mathrm{canon}(x_i))

    for the other vectors g (gains, means, variances, slopes; ε for running variances only).

    **Symmetry**: equivariant to permutations and to every scale class.

    Args:
        channels: Width of the features.
        columns: Number of kernel columns of an edge.

    Shapes:
        - **output**: weights ``[B, P]`` (dense), or ``[sum of P]`` (sparse)
    """

    def __init__(self, channels: int, columns: int) -> None:
        super().__init__()
        self.edge = nn.Linear(channels, columns, bias=False)
        self.bias = nn.Linear(channels, 1, bias=False)
        self.vector = ScaleInvariant(channels, len(NODE_FEATURES) - 1)

    def reset_parameters(self) -> None:
        """Draw new initial weights."""
        reset_children(self)

    def dense(self, space: WeightSpace, weights: Tensor, nodes: list[Tensor], edges: dict[Flow, Tensor]) -> Tensor:
        """From features ``[B, units, C]`` of every layer and ``[B, pieces, targets, m, C]`` of every flow."""
        units, x, numbers = unit_table(space), torch.cat(nodes, dim=1), node_numbers(space)
        flags = units.magnitude[:, None].to(x.device), units.sign[:, None].to(x.device)
        changes = [self._vector_changes(x, numbers_at(weights, numbers), units.eps.to(x), *flags).flatten(1)]
        for flow, features in edges.items():
            if flow.link.block is not None:
                changes.append(self.edge(features)[..., : flow.link.columns].flatten(1))
        kept, where = (table.to(x.device) for table in changed_weights(space))
        return weights.index_add(1, where, torch.cat(changes, dim=1)[:, kept].to(weights))

    def sparse(self, graphs: NeuronGraph, x: Tensor, edge_attr: Tensor) -> Tensor:
        """From features ``[N, C]`` of all nodes and ``[E, C]`` of the flows among all edges."""
        units: Units = batch_units(graphs)
        flows = batch_flows(graphs).flows
        flags = units.magnitude[:, None], units.sign[:, None]
        vectors = self._vector_changes(x, graphs.x, units.eps.to(x), *flags)
        edges = x.new_zeros(len(flows), self.edge.out_features)
        edges[flows] = self.edge(edge_attr).to(edges)
        pieces, edge, node = [], 0, 0
        for space, matrix in graphs.matrices():
            form, count = topology(space), len(matrix)
            ends = edge + count * form.num_edges, node + count * space.num_nodes
            columns = form.num_columns
            change = edges[edge : ends[0], :columns].reshape(count, -1, columns)
            matrix = _add_at(matrix, form.edges.weight, change)
            matrix = _add_at(matrix, form.node_feature, vectors[node : ends[1]].unflatten(0, (count, -1)))
            pieces.append(matrix.reshape(-1))
            edge, node = ends
        return torch.cat(pieces)

    def _vector_changes(self, x: Tensor, numbers: Tensor, eps: Tensor, magnitude: Tensor, sign: Tensor) -> Tensor:
        """Changes ``[..., N, features]`` of the numbers that nodes hold."""
        growth = self.vector(x, magnitude, sign).tanh().expm1()
        shift = torch.zeros_like(numbers)
        shift[..., VARIANCE] = eps
        return torch.cat([self.bias(x), (numbers + shift)[..., 1:] * growth], dim=-1)


@per_space
def node_numbers(space: WeightSpace) -> Tensor:
    """Where the numbers of nodes stand in the flat weights: see :attr:`~wsgraph.graph.Topology.node_feature`."""
    return topology(space).node_feature


@per_space
def changed_weights(space: WeightSpace) -> tuple[Tensor, Tensor]:
    """Which of the changes of nodes and flows change a weight, and where it stands."""
    flows = [flow for flows in structure(space).flows for flow in flows if flow.link.block is not None]
    where = [node_numbers(space).reshape(-1), *(positions(space, flow.link).reshape(-1) for flow in flows)]
    flat = torch.cat(where)
    kept = (flat < space.num_weights).nonzero()[:, 0]
    return kept, flat[kept]


def _add_at(matrix: Tensor, positions: Tensor, values: Tensor) -> Tensor:
    """``[B, P]`` with ``[B, n, k]`` added at positions ``[n, k]``; positions from P on are dropped."""
    flat = positions.reshape(-1).to(matrix.device)
    inside = (flat < matrix.shape[1]).nonzero()[:, 0]
    return matrix.index_add(1, flat[inside], values.reshape(len(matrix), -1)[:, inside].to(matrix))
