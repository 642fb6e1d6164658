"""A message-passing layer whose features are multiplied as the weights and biases are."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.nn import MessagePassing
from torch_geometric.utils import index_sort, segment
from torch_geometric.utils.sparse import index2ptr

from wsgraph.nn.canonical import ScaleEquivariant, ScaleInvariant, canonical
from wsgraph.nn.reset import reset_children


class ScaleEquivariantConv(MessagePassing):
    r"""The scale-equivariant operator from the `"Scale Equivariant Graph Metanetworks"
    <https://arxiv.org/abs/2406.10685>`_ paper.

    .. math::
        m_i &= \sum_{j \to i} \mathrm{ScaleEq}(Γ_e e_{ij} ⊙ Γ_v x_j), \\
        x'_i &= x_i + \mathrm{ScaleEq}([x_i, m_i]), \\
        e'_{ij} &= e_{ij} + Γ e_{ij} ⊙ φ(\mathrm{canon}(x_i), \mathrm{canon}(x_j)),

    with ScaleEq(x) = Γx ⊙ φ(canon(Γ'x)) (:class:`~wsgraph.nn.ScaleEquivariant`). Node features are multiplied by λ_i,
    edge features by λ_i / λ_j. Where magnitudes are free canon divides by the norm; where signs are free it takes
    absolute values after a linear map; every node has its own flags, so that all classes meet in one graph. The paper
    has no residual terms.

    **Symmetry**: equivariant to permutations of nodes, and to the multipliers that the flags allow.

    Args:
        channels: Width of node and edge features.
        update_edges: Whether edge features change, too; False for a last layer whose edges nobody reads.

    Shapes:
        - **input**: node features ``[N, channels]``, edge indices ``[2, E]`` sorted by target, edge features
          ``[E, channels]``, flags ``magnitude`` and ``sign`` ``[N, 1]``
        - **output**: node features ``[N, channels]`` and edge features ``[E, channels]``

    Example:
        >>> import torch
        >>> conv = ScaleEquivariantConv(4)
        >>> x, e, edges = torch.randn(3, 4), torch.randn(2, 4), torch.tensor([[0, 1], [2, 2]])
        >>> signs = torch.tensor([[True], [True], [True]])
        >>> y, _ = conv(x, edges, e, ~signs, signs)
        >>> z, _ = conv(-x, edges, e, ~signs, signs)
        >>> torch.allclose(y, -z)
        True
    """

    def __init__(self, channels: int, update_edges: bool = True) -> None:
        super().__init__(aggr=None)
        self.channels = channels
        self.node_linear = nn.Linear(channels, channels, bias=False)
        self.edge_linear = nn.Linear(channels, channels, bias=False)
        self.message_net = ScaleEquivariant(channels, channels)
        self.update_net = ScaleEquivariant(2 * channels, channels)
        self.update_edges = update_edges
        if update_edges:
            self.edge_scale = nn.Linear(channels, channels, bias=False)
            self.source_factor = ScaleInvariant(channels, channels)
            self.target_factor = ScaleInvariant(channels, channels)

    def reset_parameters(self) -> None:
        """Draw new initial weights."""
        super().reset_parameters()
        reset_children(self)

    # ---------------------------------------------------------------- sparse

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_attr: Tensor,
        magnitude: Tensor,
        sign: Tensor,
        taken_off: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Updated node and edge features, edge by edge.

        Args:
            x: Node features.
            edge_index: Sources and targets.
            edge_attr: Edge features.
            magnitude: Whether each node has a free magnitude.
            sign: Whether it has a free sign.
            taken_off: Flags ``[E, 1]``: where the magnitude and where the sign of the source must be taken off, since
                the edge's numbers do not do that. Nowhere, if not given.
        """
        mixed = self.node_linear(x)
        messages = self.propagate(
            edge_index,
            x=mixed,
            edge_attr=edge_attr,
            magnitude=magnitude,
            sign=sign,
            taken_off=taken_off,
            size=(len(x), len(x)),
        )
        updated = self.update_nodes(x, messages, magnitude, sign)
        if not self.update_edges:
            return updated, edge_attr
        source, target = self.source_factor(x, magnitude, sign), self.target_factor(x, magnitude, sign)
        return updated, self.dense_edges(edge_attr, source[edge_index[0]], target[edge_index[1]])

    def message(
        self,
        x_j: Tensor,
        edge_attr: Tensor,
        magnitude_i: Tensor,
        sign_i: Tensor,
        taken_off: tuple[Tensor, Tensor] | None,
    ) -> Tensor:
        """Messages ``[E, channels]``, multiplied as their target."""
        x_j = x_j if taken_off is None else canonical(x_j, *taken_off)
        return self.message_net(self.edge_linear(edge_attr) * x_j, magnitude_i, sign_i)

    def aggregate(self, inputs: Tensor, index: Tensor, dim_size: int) -> Tensor:
        """Sums over the edges of each target: a segment reduction, by torch-scatter where it is installed."""
        if len(index) > 1 and not bool((index[1:] >= index[:-1]).all()):
            index, order = index_sort(index, max_value=dim_size)
            inputs = inputs[order]
        return segment(inputs, index2ptr(index, dim_size), reduce="sum")

    # ----------------------------------------------------------------- dense

    def dense_messages(self, x: Tensor, edge_attr: Tensor, magnitude: bool, sign: bool) -> Tensor:
        """Sums of the messages of one block of edges, m of them for each target.

        Args:
            x: Source features after ``node_linear``, ``[B, pieces, 1, m, channels]``.
            edge_attr: ``[B, pieces, targets, m, channels]``.
            magnitude: Whether the target has free magnitudes.
            sign: Whether it has free signs.

        Returns:
            ``[B, pieces * targets, channels]``.
        """
        return self.message_net(self.edge_linear(edge_attr) * x, magnitude, sign).sum(3).flatten(1, 2)

    def dense_edges(self, edge_attr: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Updated features of one block of edges, from the factors of its ends, laid beside them."""
        return edge_attr + self.edge_scale(edge_attr) * (source + target)

    def update_nodes(self, x: Tensor, messages: Tensor, magnitude: Tensor | bool, sign: Tensor | bool) -> Tensor:
        """Updated node features."""
        return x + self.update_net(torch.cat([x, messages], dim=-1), magnitude, sign)

    def __repr__(self) -> str:
        edges = "" if self.update_edges else ", update_edges=False"
        return f"{type(self).__name__}({self.channels}{edges})"
