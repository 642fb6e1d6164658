"""Initial features of nodes and edges from their numbers and their types, for layers that know no scales."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from wsgraph.errors import SpaceError
from wsgraph.graph import topology
from wsgraph.graph.topology import EDGE_KINDS, OPERATORS
from wsgraph.nn.reset import reset_children
from wsgraph.nn.structure import structure
from wsgraph.nn.units import HIDDEN, INPUT, OUTPUT, unit_table
from wsgraph.nn.wiring import Wires, Wiring, sizes_of
from wsgraph.nn.wiring.wiring import Values
from wsgraph.space import WeightSpace
from wsgraph.space.per_space import per_space

ACTIVATIONS = (
    *("relu", "leaky_relu", "prelu", "elu", "celu", "gelu", "silu", "mish", "softplus", "relu6", "hardtanh", "clamp"),
    *("tanh", "sigmoid", "log_sigmoid", "hardsigmoid", "hardswish", "softshrink", "hardshrink", "threshold", "erf"),
    *("sin", "cos", "atan", "exp", "abs", "square", "pow", "sqrt", "rsqrt", "reciprocal", "neg"),
    *("add", "sub", "mul", "div", "maximum", "minimum", "other"),
)
"""Vocabulary of elementwise operators."""


class TypedEncoder(nn.Module):
    r"""Linear maps of the numbers of nodes and edges, plus embeddings of what these are.

    .. math:: x_i = Γ_b [b_i, \ldots] + \mathrm{emb}(\text{operator}) + \mathrm{emb}(\text{activation})
        + \mathrm{emb}(\text{depth}), \quad
        e_{ij} = Γ_w w_{ij} + \mathrm{emb}(\text{kind}) + \mathrm{emb}(\text{depth}) + \mathrm{emb}(\text{offset})

    Input and output nodes have an embedding of their position in place of that of the depth; no other node has one,
    since its position means nothing. A normalisation has diagonal edges γ / √(v + ε) and biases β - γ m / √(v + ε).
    Constants of activations (ω of a sine, slopes) are not seen.

    **Symmetry**: equivariant to permutations.

    Args:
        space: The weight space that sizes the embeddings.
        channels: Width of the features.
        parallel: Whether every kernel position is an edge of its own; if not, those of large kernels are.
        activations: Whether nodes know their activation.
    """

    def __init__(self, space: WeightSpace, channels: int, parallel: bool = False, activations: bool = True) -> None:
        super().__init__()
        self.sizes = sizes_of(space, parallel)
        depths = int(unit_table(space).depth.max()) + 1
        self.node = nn.Linear(3, channels)
        self.edge = nn.Linear(self.sizes.kernel_entries_in_an_edge, channels)
        self.operator = nn.Embedding(len(OPERATORS), channels)
        self.activation = nn.Linear(len(ACTIVATIONS), channels, bias=False) if activations else None
        self.depth = nn.Embedding(depths, channels)
        self.inputs = nn.Embedding(self.sizes.inputs, channels)
        self.outputs = nn.Embedding(self.sizes.outputs, channels)
        self.kind = nn.Embedding(len(EDGE_KINDS), channels)
        self.edge_depth = nn.Embedding(depths, channels)
        self.offset = nn.Embedding(self.sizes.kernel_offsets, channels)

    def reset_parameters(self) -> None:
        """Draw new initial weights."""
        reset_children(self)

    def forward(self, wiring: Wiring) -> tuple[Tensor, Values]:
        """Features of all nodes, and of all edges.

        Raises:
            SpaceError: A graph has larger kernels, or more inputs or outputs, than there are embeddings for.
        """
        for size in wiring.sizes:
            for name, found, known in zip(size._fields, size, self.sizes, strict=True):
                if found > known:
                    words = name.replace("_", " ")
                    raise SpaceError(f"The model was built for networks with at most {known} {words}, got {found}.")
        return self._nodes(wiring), [self._edges(edges) for edges in wiring.edges()]

    def _nodes(self, wiring: Wiring) -> Tensor:
        tables = [layer_tables(space)[i] for space, i in wiring.layers]
        layers = torch.stack(tables).to(wiring.numbers)  # [layers, 2 + activations]
        operator, depth = layers[:, :2].long().unbind(1)
        general = self.operator(operator)
        if self.activation is not None:
            general = general + self.activation(layers[:, 2:])
        hidden = self.depth(depth.clamp(max=self.depth.num_embeddings - 1))
        part, index = wiring.units.part[:, None], wiring.units.index
        places = torch.where(part == HIDDEN, hidden[wiring.layer], general.new_zeros(()))
        for number, embedding in ((INPUT, self.inputs), (OUTPUT, self.outputs)):
            places = torch.where(part == number, embedding(index.clamp(max=embedding.num_embeddings - 1)), places)
        return self.node(wiring.numbers) + (general[wiring.layer] + places)

    def _edges(self, edges: Wires) -> Tensor:
        depth = edges.depth.clamp(max=self.edge_depth.num_embeddings - 1)
        kinds = self.kind(edges.kind) + self.edge_depth(depth) + self.offset(edges.offset)
        return linear(edges.numbers, self.edge.weight[:, : edges.numbers.shape[-1]], self.edge.bias) + kinds


@per_space
def layer_tables(space: WeightSpace) -> Tensor:
    """For every layer, its operator and depth, and which of the elementwise operators its units go through."""
    rows = torch.zeros(len(space.layers), 2 + len(ACTIVATIONS))
    for i, layer in enumerate(space.layers):
        rows[i, 0] = topology(space).layer_type[i]
        rows[i, 1] = structure(space).depth[i]
        for call in (*layer.activation, *([layer.pointwise] if layer.pointwise else [])):
            name = call.op.split(".")[0]
            rows[i, 2 + ACTIVATIONS.index(name if name in ACTIVATIONS else "other")] = 1
    return rows
