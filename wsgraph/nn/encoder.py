"""Initial features of nodes and edges, which scale as the biases and weights do."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from wsgraph.errors import SpaceError
from wsgraph.graph import NODE_FEATURES, NeuronGraph, links, topology
from wsgraph.graph.topology import OPERAND_EDGE
from wsgraph.nn.canonical import canonical
from wsgraph.nn.reset import reset_children
from wsgraph.nn.structure import Flow, flow_weights, layer_bias, structure
from wsgraph.nn.units import INPUT, OUTPUT, EdgeFlows, Units, unit_table
from wsgraph.space import WeightSpace

BIAS, GAIN, MEAN, VARIANCE = (NODE_FEATURES.index(name) for name in ("bias", "gain", "mean", "variance"))


class NeuronEncoder(nn.Module):
    r"""Linear maps without bias of biases and weights, times embeddings of depth and kernel offset.

    .. math:: x_i = Γ_b b_i ⊙ \mathrm{emb}(\text{depth}), \quad e_{ij} = Γ_w w_{ij} ⊙ \mathrm{emb}(\text{depth, offset})

    Input and output nodes have embeddings of their position added instead. A normalisation has diagonal edges
    γ / √(v + ε) and biases β - γ m / √(v + ε).

    **Symmetry**: equivariant; node features are multiplied by λ_i, edge features by λ_i / λ_j.

    Args:
        space: The weight space that sizes the embeddings.
        channels: Width of the features.
    """

    def __init__(self, space: WeightSpace, channels: int) -> None:
        super().__init__()
        self.space = space
        units, parallel = unit_table(space), (link.kernel for link in links(space) if link.is_parallel)
        self.columns = topology(space).num_columns
        self.bias = nn.Linear(1, channels, bias=False)
        self.weight = nn.Linear(self.columns, channels, bias=False)
        self.node_depth = nn.Embedding(_count(units.depth), channels)
        self.edge_depth = nn.Embedding(_count(units.depth), channels)
        self.offset = nn.Embedding(max(parallel, default=1) + 1, channels)  # the last is for operands
        self.inputs = nn.Embedding(_count(units.index[units.part == INPUT]), channels)
        self.outputs = nn.Embedding(_count(units.index[units.part == OUTPUT]), channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial weights; factors start near 1."""
        reset_children(self)
        for embedding in (self.node_depth, self.edge_depth, self.offset):
            nn.init.normal_(embedding.weight, 1, 0.3)

    def dense(self, weights: Tensor) -> tuple[list[Tensor], dict[Flow, Tensor]]:
        """Features of each layer's nodes ``[B, units, C]``, and of each flow's edges ``[B, pieces, targets, m, C]``."""
        nodes = [self._layer_nodes(i, weights) for i in range(len(self.space.layers))]
        flows = [flow for flows in structure(self.space).flows for flow in flows]
        return nodes, {flow: self._flow_edges(flow, weights) for flow in flows}

    def sparse(self, graphs: NeuronGraph, units: Units, edges: EdgeFlows) -> tuple[Tensor, Tensor, Tensor]:
        """Features of all nodes ``[N, C]``, edge indices of the flows ``[2, E]``, and their features ``[E, C]``.

        Raises:
            SpaceError: A graph has larger kernels, or more inputs or outputs, than there are embeddings for.
        """
        numbers = graphs.x
        diagonal = numbers[:, GAIN] * (numbers[:, VARIANCE] + units.eps.to(numbers)).clamp_min(1e-30).rsqrt()
        biases = numbers[:, BIAS] - diagonal * numbers[:, MEAN]
        edge_index, weights = graphs.edge_index[:, edges.flows], graphs.edge_attr[edges.flows]
        offset, is_weight = graphs.edge_offset[edges.flows], graphs.edge_type[edges.flows] != OPERAND_EDGE
        self._check_sizes(units, offset, weights.shape[1])
        target = edge_index[1]
        operands = torch.where(units.norm, diagonal, torch.ones_like(diagonal))[target, None]
        weights = torch.where(is_weight[:, None], weights, pad(operands, (0, weights.shape[1] - 1)))
        offset = torch.where(is_weight, offset, self.offset.num_embeddings - 1)
        depth = self._depth(self.edge_depth, units.depth[target])
        features = self.weight(pad(weights, (0, self.columns - weights.shape[1]))) * depth * self.offset(offset)
        return self._nodes(biases, units.part, units.index, units.depth), edge_index, features

    def _layer_nodes(self, i: int, weights: Tensor) -> Tensor:
        biases = layer_bias(self.space, i, weights)
        if biases is None:
            biases = weights.new_zeros(len(weights), self.space.size(i))
        units, nodes = unit_table(self.space), slice(self.space.node_offsets[i], self.space.node_offsets[i + 1])
        table = (t[nodes].to(weights.device) for t in (units.part, units.index, units.depth))
        return self._nodes(biases, *table)

    def _nodes(self, biases: Tensor, part: Tensor, index: Tensor, depth: Tensor) -> Tensor:
        features = self.bias(biases[..., None])
        hidden = features * self._depth(self.node_depth, depth)
        inputs = features + self.inputs(torch.where(part == INPUT, index, 0))
        outputs = features + self.outputs(torch.where(part == OUTPUT, index, 0))
        return torch.where((part == INPUT)[:, None], inputs, torch.where((part == OUTPUT)[:, None], outputs, hidden))

    def _flow_edges(self, flow: Flow, weights: Tensor) -> Tensor:
        link, numbers = flow.link, flow_weights(self.space, flow, weights)
        depth = self.edge_depth.weight[structure(self.space).depth[link.target]]
        offset = self.offset.weight[-1 if link.block is None else 0]
        if link.is_parallel:
            offset = self.offset.weight[: link.kernel].repeat(link.sources, 1)  # [sources * kernel, C]
            numbers = numbers.flatten(3)[..., None]
        return self.weight(pad(numbers, (0, self.columns - numbers.shape[-1]))) * depth * offset

    def _depth(self, embedding: nn.Embedding, depth: Tensor) -> Tensor:
        return embedding(depth.clamp(max=embedding.num_embeddings - 1))

    def _check_sizes(self, units: Units, offset: Tensor, columns: int) -> None:
        for name, found, known in (
            ("inputs", _count(units.index[units.part == INPUT]), self.inputs.num_embeddings),
            ("outputs", _count(units.index[units.part == OUTPUT]), self.outputs.num_embeddings),
            ("kernel offsets", _count(offset), self.offset.num_embeddings - 1),
            ("kernel entries in an edge", columns, self.columns),
        ):
            if found > known:
                raise SpaceError(f"The model was built for networks with at most {known} {name}, got {found}.")


def beside_edges(flow: Flow, values: Tensor) -> Tensor:
    """Values ``[B, sources, C]`` laid beside a flow's edges: ``[B, pieces, 1, m, C]``."""
    repeats = flow.link.kernel if flow.link.is_parallel else 1
    values = values.repeat_interleave(repeats, dim=1) if repeats > 1 else values
    return values.unflatten(1, (flow.link.pieces, -1))[:, :, None]


def at_targets(flow: Flow, values: list[Tensor]) -> Tensor:
    """The target's among values ``[B, units, C]`` of all layers: ``[B, pieces, targets, 1, C]``."""
    return values[flow.link.target].unflatten(1, (flow.link.pieces, -1))[:, :, :, None]


def read_source(flow: Flow, values: Tensor) -> Tensor:
    """Values of a flow's source, without what the numbers of the flow do not take off."""
    return canonical(values, flow.magnitude, flow.sign)


def _count(numbers: Tensor) -> int:
    return int(numbers.max()) + 1 if numbers.numel() else 1
