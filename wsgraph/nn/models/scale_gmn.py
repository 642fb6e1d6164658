"""ScaleGMN: message passing over neuron graphs, equivariant to scales and signs, forward and backward."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsgraph.graph import NeuronGraph
from wsgraph.nn.canonical import Freedom
from wsgraph.nn.conv import ScaleEquivariantConv
from wsgraph.nn.conv.scale_equivariant_conv import first_states
from wsgraph.nn.encoder import NeuronEncoder
from wsgraph.nn.models.graph_family import GraphFamily
from wsgraph.nn.products import batch_products
from wsgraph.nn.readout import FeatureUpdate, StatePool, perceptron
from wsgraph.nn.reset import reset_children
from wsgraph.nn.structure import Flow, structure
from wsgraph.nn.units import HIDDEN, batch_flows, batch_units, part_of
from wsgraph.nn.updated import updated
from wsgraph.space import WeightSpace


class ScaleGMN(GraphFamily):
    r"""The graph network from the `"Scale Equivariant Graph Metanetworks" <https://arxiv.org/abs/2406.10685>`_ paper,
    forward or bidirectional, on every weight space.

    Initial features of :class:`~wsgraph.nn.NeuronEncoder`, ``num_layers`` layers of
    :class:`~wsgraph.nn.ScaleEquivariantConv`, :class:`~wsgraph.nn.StatePool`, a perceptron. Normalisations, skips and
    kernels of any size have their edges; products of two layers (gates, attention scores) have messages of their own.

    Where it departs from the paper: nodes keep a residual path (``linear_skip`` makes it a matrix), hidden nodes are
    averaged (``pool="sum"`` adds them up), edges see both ends in one perceptron whose first layer is made once for
    each node, units without any freedom have perceptrons of their own that can gate a linear map or replace it, and
    backward messages carry contravariant states, so that nothing is divided by a weight.

    Two routes share all parameters: :meth:`dense` (graphs of the model's own space, block by block) and
    :meth:`sparse` (any graphs, of other and mixed spaces too, edge by edge). A call takes the dense one where it can.

    **Symmetry**: invariant (``out_channels=n``) or equivariant (``out_channels=None``) to permutations and to every
    scale class of the space, and to half turns before sines. Not covered: matrices on linear groups. Messages do not
    pass computed weights: what lies behind sees them only in the means.

    Args:
        space: The weight space of the networks that it takes.
        hidden_channels: Width of node and edge features.
        num_layers: Number of message-passing layers.
        out_channels: Number of outputs for each network, or None for updated weights.
        bidirectional: Whether messages flow backward, too.
        pool: ``"mean"`` or ``"sum"`` over the hidden units.
        linear_skip: Whether the residual path of the nodes is a matrix, or one factor for each channel.

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
        self,
        space: WeightSpace,
        hidden_channels: int = 128,
        num_layers: int = 4,
        out_channels: int | None = None,
        *,
        bidirectional: bool = False,
        pool: str = "mean",
        linear_skip: bool = False,
    ) -> None:
        super().__init__(space, hidden_channels, num_layers, out_channels)
        self.bidirectional = bidirectional
        self.encoder = NeuronEncoder(space, hidden_channels)
        form, updates = structure(space), out_channels is None
        hidden = [i for i in range(len(space.layers)) if part_of(space, i) == HIDDEN]
        mixes, last = any(form.sign), num_layers - 1
        self.convs = nn.ModuleList(
            ScaleEquivariantConv(
                hidden_channels,
                update_edges=updates or i < last,
                bidirectional=bidirectional,
                mixes=mixes,
                linear_skip=linear_skip,
                crosses=not all(form.magnitude[i] for i in hidden),
                update_back=not updates or i < last,
            )
            for i in range(num_layers)
        )
        if out_channels is None:
            self.update = FeatureUpdate(hidden_channels, self.encoder.columns)
        else:
            self.pool = StatePool(space, hidden_channels, 1 + bidirectional, pool, mixes)
            self.readout = perceptron(self.pool.out_channels, hidden_channels, 1, out_channels)

    def reset_parameters(self) -> None:
        """Draw new initial weights."""
        reset_children(self)

    def _sparse_answer(self, graphs: NeuronGraph) -> Tensor | NeuronGraph:
        units, edges = batch_units(graphs), batch_flows(graphs)
        x, edge_index, edge_attr = self.encoder.sparse(graphs, units, edges)
        freedom = Freedom(*(flag[:, None] for flag in (units.magnitude, units.sign, units.part != HIDDEN)))
        left = edges.magnitude[edges.flows, None], edges.sign[edges.flows, None]
        taken_off = left if any(bool(flag.any()) for flag in left) else None
        tables = batch_products(graphs), batch_products(graphs, backward=True)
        products = tables if tables[0].numel() else None
        states = first_states(x, freedom, self.bidirectional)
        for conv in self.convs:
            states, edge_attr = conv(states, edge_index, edge_attr, freedom, taken_off, products)
        if self.out_channels is None:
            return updated(graphs, self.update.sparse(graphs, states[0], edge_attr))
        sizes = torch.tensor([space.num_nodes for space in graphs.spaces], device=x.device)
        batch = torch.arange(len(sizes), device=x.device).repeat_interleave(sizes)
        return self.readout(self.pool.sparse(states, units, batch, len(sizes)))

    def _invariant(self, weights: Tensor) -> Tensor:
        states, _ = self._features(weights)
        return self.readout(self.pool.dense(self.space, states))

    def _updated_weights(self, weights: Tensor) -> Tensor:
        states, edges = self._features(weights)
        return self.update.dense(self.space, weights, [state[0] for state in states], edges)

    def _features(self, weights: Tensor) -> tuple[list[tuple[Tensor, ...]], dict[Flow, Tensor]]:
        """Final states of the nodes of each layer, and features of the edges of each flow."""
        nodes, edges = self.encoder.dense(weights)
        form, layers = structure(self.space), range(len(nodes))
        freedoms = [Freedom(form.magnitude[i], form.sign[i], part_of(self.space, i) != HIDDEN) for i in layers]
        states = [first_states(x, free, self.bidirectional) for x, free in zip(nodes, freedoms, strict=True)]
        for conv in self.convs:
            assert isinstance(conv, ScaleEquivariantConv)
            states, edges = conv.dense(self.space, states, edges, freedoms)
        return states, edges
