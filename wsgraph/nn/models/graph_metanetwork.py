"""GraphMetanetwork: perceptrons over graphs with an edge for every parameter, and a global state."""

from __future__ import annotations

from typing import ClassVar

from wsgraph.nn.conv import MetanetworkConv
from wsgraph.nn.models.message_passing import MessagePassingModel
from wsgraph.nn.readout.part_pool import Pool
from wsgraph.space import WeightSpace


class GraphMetanetwork(MessagePassingModel):
    """The metanetwork from the `"Graph Metanetworks for Processing Diverse Neural Architectures"
    <https://arxiv.org/abs/2312.04501>`_ paper, on every weight space.

    Every entry of a weight is an edge, so that kernel positions are parallel edges; ``num_layers`` layers of
    :class:`~wsgraph.nn.MetanetworkConv`, and a global state (:class:`~wsgraph.nn.GlobalNode`). Where the paper has
    nodes for biases and norm parameters, with an edge to every unit, these are features of the unit's node.

    Graphs of the model's own space are taken block by block, others edge by edge, see :meth:`dense` and :meth:`sparse`.

    **Symmetry**: invariant (``out_channels=n``) or equivariant (``out_channels=None``) to permutations, and to half
    turns before sines. Not covered: signs, positive scales and linear groups, unless networks come in canonical form
    (:class:`wsgraph.transforms.Canonicalize`), or training sees :class:`wsgraph.transforms.RandomSymmetry`.

    Args:
        space: The weight space of the networks that it takes.
        hidden_channels: Width of node and edge features.
        num_layers: Number of message-passing layers.
        out_channels: Number of outputs for each network, or None for updated weights.
        probes: Number of learned inputs, whose answers are features of the nodes.
        activations: Whether nodes know their activation.
        global_node: Whether graphs have a global state.
        pool: How nodes become outputs: ``"mean"``, ``"sum"`` or ``"attention"``.
        bidirectional: Whether messages run against the forward pass, too.

    Shapes:
        - **input**: B neuron graphs
        - **output**: ``[B, out_channels]``, or B neuron graphs

    Example:
        >>> import torch, wsgraph
        >>> from torch.nn import Linear, Sequential, ReLU
        >>> models = [Sequential(Linear(2, 8), ReLU(), Linear(8, 1)) for _ in range(4)]
        >>> space = wsgraph.trace(models[0])
        >>> graphs = wsgraph.to_graphs([m.state_dict() for m in models], space)
        >>> wsgraph.nn.GraphMetanetwork(space, 16, 2)(graphs)
        NeuronGraphBatch(4 networks, 44 nodes, 96 edges, 132 weights)
    """

    parallel: ClassVar[bool] = True

    def __init__(
        self,
        space: WeightSpace,
        hidden_channels: int = 64,
        num_layers: int = 4,
        out_channels: int | None = None,
        *,
        probes: int = 0,
        activations: bool = True,
        global_node: bool = True,
        pool: Pool = "mean",
        bidirectional: bool = True,
    ) -> None:
        super().__init__(
            space,
            hidden_channels,
            num_layers,
            out_channels,
            probes=probes,
            activations=activations,
            global_node=global_node,
            pool=pool,
            conv=lambda update_edges: MetanetworkConv(hidden_channels, bidirectional, update_edges),
        )
