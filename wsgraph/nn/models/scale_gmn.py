"""ScaleGMN: message passing over neuron graphs, equivariant to scales and signs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsgraph.graph import NeuronGraph
from wsgraph.nn.conv import ScaleEquivariantConv
from wsgraph.nn.encoder import NeuronEncoder, at_targets, beside_edges, read_source
from wsgraph.nn.models.graph_family import GraphFamily
from wsgraph.nn.readout import FeatureUpdate, PartPool, perceptron
from wsgraph.nn.reset import reset_children
from wsgraph.nn.structure import Flow, structure
from wsgraph.nn.units import batch_flows, batch_units
from wsgraph.nn.updated import updated
from wsgraph.space import WeightSpace


class ScaleGMN(GraphFamily):
    r"""The forward graph network from the `"Scale Equivariant Graph Metanetworks" <https://arxiv.org/abs/2406.10685>`_
    paper, on every weight space.

    Initial features of :class:`~wsgraph.nn.NeuronEncoder`, ``num_layers`` layers of
    :class:`~wsgraph.nn.ScaleEquivariantConv`, means of invariants over hidden, input and output nodes, a perceptron.
    Where the paper sums over the hidden nodes we take means, and normalisations, skips and kernels of any size have
    their edges.

    Two routes share all parameters: :meth:`dense` (graphs of the model's own space, block by block) and
    :meth:`sparse` (any graphs, of other and mixed spaces too, edge by edge). A call takes the dense one where it can.

    **Symmetry**: invariant (``out_channels=n``) or equivariant (``out_channels=None``) to permutations and to every
    scale class of the space, and to half turns before sines. Not covered: matrices on linear groups. Messages do not
    pass the factors of a product of two layers (gates, attention scores), whose multipliers no single weight carries,
    nor computed weights: what lies behind sees them only in the means.

    Args:
        space: The weight space of the networks that it takes.
        hidden_channels: Width of node and edge features.
        num_layers: Number of message-passing layers.
        out_channels: Number of outputs for each network, or None for updated weights.

    Shapes:
        - **input**: B neuron graphs
        - **output**: ``[B, out_channels]``, or B neuron graphs

    Example:
        >>> import torch, wsgraph
        >>> from torch.nn import Linear, Sequential, ReLU
        >>> models = [Sequential(Linear(2, 8), ReLU(), Linear(8, 1)) for _ in range(4)]
        >>> space = wsgraph.trace(models[0])
        >>> graphs = wsgraph.to_graphs([m.state_dict() for m in models], space)
        >>> wsgraph.nn.ScaleGMN(space, 16, 2, out_channels=10)(graphs).shape
        torch.Size([4, 10])
    """

    def __init__(
        self, space: WeightSpace, hidden_channels: int = 128, num_layers: int = 4, out_channels: int | None = None
    ) -> None:
        super().__init__(space, hidden_channels, num_layers, out_channels)
        self.encoder = NeuronEncoder(space, hidden_channels)
        self.convs = nn.ModuleList(
            ScaleEquivariantConv(hidden_channels, update_edges=out_channels is None or i < num_layers - 1)
            for i in range(num_layers)
        )
        if out_channels is None:
            self.update = FeatureUpdate(hidden_channels, self.encoder.columns)
        else:
            self.pool = PartPool(hidden_channels)
            self.readout = perceptron(3 * hidden_channels, hidden_channels, 1, out_channels)

    def reset_parameters(self) -> None:
        """Draw new initial weights."""
        reset_children(self)

    def _sparse_answer(self, graphs: NeuronGraph) -> Tensor | NeuronGraph:
        units, edges = batch_units(graphs), batch_flows(graphs)
        x, edge_index, edge_attr = self.encoder.sparse(graphs, units, edges)
        flags = units.magnitude[:, None], units.sign[:, None]
        left = edges.magnitude[edges.flows, None], edges.sign[edges.flows, None]
        taken_off = left if any(bool(flag.any()) for flag in left) else None
        for conv in self.convs:
            x, edge_attr = conv(x, edge_index, edge_attr, *flags, taken_off)
        if self.out_channels is None:
            return updated(graphs, self.update.sparse(graphs, x, edge_attr))
        sizes = torch.tensor([space.num_nodes for space in graphs.spaces], device=x.device)
        batch = torch.arange(len(sizes), device=x.device).repeat_interleave(sizes)
        return self.readout(self.pool.sparse(x, units, batch, len(sizes)))

    def _invariant(self, weights: Tensor) -> Tensor:
        nodes, _ = self._features(weights)
        return self.readout(self.pool.dense(self.space, nodes))

    def _updated_weights(self, weights: Tensor) -> Tensor:
        return self.update.dense(self.space, weights, *self._features(weights))

    def _features(self, weights: Tensor) -> tuple[list[Tensor], dict[Flow, Tensor]]:
        """Final features of the nodes of each layer, and of the edges of each flow."""
        nodes, edges = self.encoder.dense(weights)
        for conv in self.convs:
            assert isinstance(conv, ScaleEquivariantConv)
            nodes, edges = self._convolved(conv, nodes, edges)
        return nodes, edges

    def _convolved(
        self, conv: ScaleEquivariantConv, nodes: list[Tensor], edges: dict[Flow, Tensor]
    ) -> tuple[list[Tensor], dict[Flow, Tensor]]:
        form = structure(self.space)
        flags = list(zip(form.magnitude, form.sign, strict=True))
        mixed = [conv.node_linear(x) for x in nodes]
        totals = [torch.zeros_like(x) for x in nodes]
        for flow, e in edges.items():
            x = beside_edges(flow, read_source(flow, mixed[flow.link.source]))
            message = conv.dense_messages(x, e, *flags[flow.link.target])
            totals[flow.link.target] = totals[flow.link.target] + message
        updated_nodes = [conv.update_nodes(x, t, *f) for x, t, f in zip(nodes, totals, flags, strict=True)]
        if not conv.update_edges:
            return updated_nodes, edges
        sources = [conv.source_factor(x, *f) for x, f in zip(nodes, flags, strict=True)]
        targets = [conv.target_factor(x, *f) for x, f in zip(nodes, flags, strict=True)]
        return updated_nodes, {
            flow: conv.dense_edges(e, beside_edges(flow, sources[flow.link.source]), at_targets(flow, targets))
            for flow, e in edges.items()
        }
