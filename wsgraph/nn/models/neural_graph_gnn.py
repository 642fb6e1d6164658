"""NeuralGraphGNN: messages with several aggregations over neuron graphs."""

from __future__ import annotations

from wsgraph.nn.conv import NeuralGraphConv
from wsgraph.nn.models.message_passing import MessagePassingModel
from wsgraph.nn.readout.part_pool import Pool
from wsgraph.space import WeightSpace


class NeuralGraphGNN(MessagePassingModel):
    """The GNN from the `"Graph Neural Networks for Learning Equivariant Representations of Neural Networks"
    <https://arxiv.org/abs/2403.12143>`_ paper, on every weight space.

    Biases are features of nodes, weights of edges, with learned embeddings of operators, activations and depths, and of
    the positions of inputs and outputs; ``num_layers`` layers of :class:`~wsgraph.nn.NeuralGraphConv`; a readout of
    hidden, input and output nodes apart, where the paper reads the output nodes alone, one after another.

    Graphs of the model's own space are taken block by block, others edge by edge, see :meth:`dense` and :meth:`sparse`.

    **Symmetry**: invariant (``out_channels=n``) or equivariant (``out_channels=None``) to permutations, and to half
    turns before sines. Not covered: signs, positive scales and linear groups, unless every network is brought into its
    canonical form first (:class:`wsgraph.transforms.Canonicalize`), or training sees
    :class:`wsgraph.transforms.RandomSymmetry`.

    Args:
        space: The weight space of the networks that it takes.
        hidden_channels: Width of node and edge features.
        num_layers: Number of message-passing layers.
        out_channels: Number of outputs for each network, or None for updated weights.
        probes: Number of learned inputs; what every unit answers to them (:class:`wsgraph.nn.Forward`) are features of
            its node.
        activations: Whether nodes know their activation.
        global_node: Whether a node is joined to all others.
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
        >>> wsgraph.nn.NeuralGraphGNN(space, 16, 2, out_channels=10, probes=8)(graphs).shape
        torch.Size([4, 10])
    """

    def __init__(
        self,
        space: WeightSpace,
        hidden_channels: int = 64,
        num_layers: int = 4,
        out_channels: int | None = None,
        *,
        probes: int = 0,
        activations: bool = True,
        global_node: bool = False,
        pool: Pool = "mean",
        bidirectional: bool = False,
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
            conv=lambda update_edges: NeuralGraphConv(space, hidden_channels, bidirectional, update_edges),
        )
