"""NeuralGraphTransformer: relational attention over neuron graphs."""

from __future__ import annotations

from wsgraph.errors import WSGraphError
from wsgraph.nn.conv import RelationalAttention
from wsgraph.nn.models.message_passing import MessagePassingModel
from wsgraph.nn.readout.part_pool import Pool
from wsgraph.space import WeightSpace


class NeuralGraphTransformer(MessagePassingModel):
    """The relational transformer NG-T from the `"Graph Neural Networks for Learning Equivariant Representations of
    Neural Networks" <https://arxiv.org/abs/2403.12143>`_ paper, on every weight space.

    Features as in :class:`~wsgraph.nn.NeuralGraphGNN`; ``num_layers`` layers of
    :class:`~wsgraph.nn.RelationalAttention`. Nodes attend to those with which they share an edge, where the paper lets
    all pairs of nodes attend to each other; ``global_node=True`` joins the others in two steps.

    Graphs of the model's own space are taken block by block, others edge by edge, see :meth:`dense` and :meth:`sparse`.

    **Symmetry**: invariant (``out_channels=n``) or equivariant (``out_channels=None``) to permutations, and to half
    turns before sines. Not covered: signs, positive scales and linear groups, unless networks come in canonical form
    (:class:`wsgraph.transforms.Canonicalize`), or training sees :class:`wsgraph.transforms.RandomSymmetry`.

    Args:
        space: The weight space of the networks that it takes.
        hidden_channels: Width of node and edge features.
        num_layers: Number of layers.
        out_channels: Number of outputs for each network, or None for updated weights.
        heads: Number of attention heads; hidden_channels must be a multiple of it.
        probes: Number of learned inputs, whose answers are features of the nodes.
        activations: Whether nodes know their activation.
        global_node: Whether a node is joined to all others.
        pool: How nodes become outputs: ``"mean"``, ``"sum"`` or ``"attention"``.
        bidirectional: Whether nodes attend to their targets, too, in heads of their own.

    Shapes:
        - **input**: B neuron graphs
        - **output**: ``[B, out_channels]``, or B neuron graphs

    Raises:
        WSGraphError: The heads do not share the channels evenly.

    Example:
        >>> import torch, wsgraph
        >>> from torch.nn import Linear, Sequential, ReLU
        >>> models = [Sequential(Linear(2, 8), ReLU(), Linear(8, 1)) for _ in range(4)]
        >>> space = wsgraph.trace(models[0])
        >>> graphs = wsgraph.to_graphs([m.state_dict() for m in models], space)
        >>> wsgraph.nn.NeuralGraphTransformer(space, 16, 2, out_channels=10, pool="attention")(graphs).shape
        torch.Size([4, 10])
    """

    def __init__(
        self,
        space: WeightSpace,
        hidden_channels: int = 64,
        num_layers: int = 4,
        out_channels: int | None = None,
        *,
        heads: int = 4,
        probes: int = 0,
        activations: bool = True,
        global_node: bool = False,
        pool: Pool = "mean",
        bidirectional: bool = True,
    ) -> None:
        if heads < 1 or hidden_channels % heads:
            raise WSGraphError(f"hidden_channels must be a multiple of heads, got {hidden_channels} and {heads}.")
        super().__init__(
            space,
            hidden_channels,
            num_layers,
            out_channels,
            probes=probes,
            activations=activations,
            global_node=global_node,
            pool=pool,
            conv=lambda update_edges: RelationalAttention(hidden_channels, heads, bidirectional, update_edges),
        )
