"""Updated weights from final features of nodes and edges."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsgraph.graph import NODE_FEATURES, NeuronGraph, topology
from wsgraph.graph.topology import numbers_at
from wsgraph.nn.canonical import ScaleInvariant
from wsgraph.nn.encoder import VARIANCE, is_parallel
from wsgraph.nn.reset import reset_children
from wsgraph.nn.structure import Flow
from wsgraph.nn.units import Units, batch_units, unit_table
from wsgraph.space import WeightSpace


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
        """From features ``[B, units, C]`` of every layer and ``[B, targets, m, C]`` of every flow."""
        changed = weights.clone()
        for flow, features in edges.items():
            if flow.block is not None:
                change = _as_block(flow, self.edge(features), space)
                part = space.slices[flow.block]
                changed[:, part] = changed[:, part] + change.reshape(len(weights), -1)
        units, x, table = unit_table(space), torch.cat(nodes, dim=1), topology(space).node_feature
        flags = units.magnitude[:, None].to(x.device), units.sign[:, None].to(x.device)
        change = self._vector_changes(x, numbers_at(weights, table), units.eps.to(x), *flags)
        return _add_at(changed, table, change)

    def sparse(self, graphs: NeuronGraph, x: Tensor, edge_attr: Tensor) -> Tensor:
        """From features ``[N, C]`` of all nodes and ``[E, C]`` of the flows among all edges."""
        units: Units = batch_units(graphs)
        flags = units.magnitude[:, None], units.sign[:, None]
        vectors = self._vector_changes(x, graphs.x, units.eps.to(x), *flags)
        edges = x.new_zeros(len(units.flows), self.edge.out_features)
        edges[units.flows] = self.edge(edge_attr)
        pieces, edge, node = [], 0, 0
        for space, matrix in graphs.matrices():
            form, count = topology(space), len(matrix)
            ends = edge + count * len(form.edge_type), node + count * space.num_nodes
            columns = form.edge_weight.shape[1]
            change = edges[edge : ends[0], :columns].reshape(count, -1, columns)
            matrix = _add_at(matrix, form.edge_weight, change)
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


def _as_block(flow: Flow, change: Tensor, space: WeightSpace) -> Tensor:
    """Changes ``[B, targets, m, columns]`` in the layout of the block."""
    change = change[..., 0].unflatten(2, (-1, flow.kernel)) if is_parallel(flow) else change[..., : flow.kernel]
    return change.transpose(1, 2) if flow.target_axis == 1 and not flow.diagonal else change


def _add_at(matrix: Tensor, positions: Tensor, values: Tensor) -> Tensor:
    """``[B, P]`` with ``[B, n, k]`` added at positions ``[n, k]``; positions from P on are dropped."""
    flat = positions.reshape(-1).to(matrix.device)
    inside = (flat < matrix.shape[1]).nonzero()[:, 0]
    return matrix.index_add(1, flat[inside], values.reshape(len(matrix), -1)[:, inside])
