"""A message-passing layer whose features are multiplied as the weights and biases are."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsgraph.nn.canonical import Freedom
from wsgraph.nn.conv.node_update import DualUpdate, NodeUpdate
from wsgraph.nn.conv.scale_edge_update import ScaleEdgeUpdate
from wsgraph.nn.conv.scale_messages import ScaleMessages
from wsgraph.nn.reset import reset_children
from wsgraph.nn.structure import Flow
from wsgraph.space import WeightSpace

TakenOff = tuple[Tensor, Tensor]
"""Flags ``[E, 1]``: where the magnitude and where the sign of an edge's source must be taken off."""


class ScaleEquivariantConv(nn.Module):
    r"""The scale-equivariant operator from the `"Scale Equivariant Graph Metanetworks"
    <https://arxiv.org/abs/2406.10685>`_ paper, forward or in both directions.

    .. math::
        m_i &= \sum_{j \to i} \mathrm{ScaleEq}(Γ_e e_{ij} ⊙ Γ_v x_j), \\
        x'_i &= S x_i + \mathrm{ScaleEq}([x_i, m_i]), \\
        e'_{ij} &= Γ e_{ij} ⊙ (1 + φ(\mathrm{canon}(x_i), \mathrm{canon}(x_j))),

    with ScaleEq(x) = Γx ⊙ (1 + φ(canon(Γ'x))) (:class:`~wsgraph.nn.ScaleEquivariant`). Node features are multiplied by
    λ_i, edge features by λ_i / λ_j. Where magnitudes are free canon divides by the norm; where signs are free it takes
    absolute values after a linear map; every node has its own flags, so that all classes meet in one graph.

    In both directions, nodes carry a second state y that is multiplied by 1 / λ_i and flows against the edges,

    .. math:: n_j = \sum_{i : j \to i} \mathrm{ScaleEq}(Γ_e' e_{ij} ⊙ Γ_v' y_i),

    since λ_i / λ_j times 1 / λ_i is 1 / λ_j: the paper's backward edges 1 / w are not needed, and zeros do no harm.
    :class:`~wsgraph.nn.conv.DualUpdate` joins the two.

    **Symmetry**: equivariant to permutations of nodes, and to the multipliers that the flags allow.

    Args:
        channels: Width of node and edge features.
        update_edges: Whether edge features change, too; False for a last layer whose edges nobody reads.
        bidirectional: Whether there are messages backward.
        mixes: See :class:`~wsgraph.nn.ScaleInvariant`.
        linear_skip: Whether S is a matrix, or one factor for each channel.
        crosses: Whether the two states mix where no magnitude is free.
        update_back: Whether y changes, too; False for a last layer behind which nobody reads it.

    Shapes:
        - **input**: states of nodes, x ``[N, channels]`` or x and y; edge indices ``[2, E]``, edge features
          ``[E, channels]``, flags ``[N, 1]``
        - **output**: states, and edge features ``[E, channels]``

    Example:
        >>> import torch
        >>> from wsgraph.nn import Freedom
        >>> conv = ScaleEquivariantConv(4)
        >>> x, e, edges = torch.randn(3, 4), torch.randn(2, 4), torch.tensor([[0, 1], [2, 2]])
        >>> signs = torch.tensor([[True], [True], [True]])
        >>> (y,), _ = conv((x,), edges, e, Freedom(~signs, signs, ~signs))
        >>> (z,), _ = conv((-x,), edges, e, Freedom(~signs, signs, ~signs))
        >>> torch.allclose(y, -z)
        True
    """

    def __init__(
        self,
        channels: int,
        update_edges: bool = True,
        *,
        bidirectional: bool = False,
        mixes: bool = True,
        linear_skip: bool = False,
        crosses: bool = True,
        update_back: bool = True,
    ) -> None:
        super().__init__()
        self.channels, self.update_edges, self.bidirectional = channels, update_edges, bidirectional
        self.messages = ScaleMessages(channels, mixes)
        self.back = ScaleMessages(channels, mixes) if bidirectional else None
        self.nodes: NodeUpdate | DualUpdate
        if bidirectional:
            self.nodes = DualUpdate(channels, mixes, linear_skip, crosses, update_back)
        else:
            self.nodes = NodeUpdate(channels, mixes, linear_skip)
        self.edges = ScaleEdgeUpdate(channels, mixes) if update_edges else None

    def reset_parameters(self) -> None:
        """Draw new initial weights."""
        reset_children(self)

    def forward(
        self,
        states: tuple[Tensor, ...],
        edge_index: Tensor,
        edge_attr: Tensor,
        freedom: Freedom,
        taken_off: TakenOff | None = None,
        products: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        """Updated states and edge features, edge by edge.

        Args:
            states: States of the nodes.
            edge_index: Sources and targets.
            edge_attr: Edge features.
            freedom: Flags of the nodes.
            taken_off: Where the source's multiplier must be taken off, since the edge's numbers do not do that.
                Nowhere, if not given.
            products: Tables of the products of two nodes, forward and backward.
        """
        x, mixed = states[0], self.messages.node_linear(states[0])
        got = [self.messages(mixed, edge_index, edge_attr, freedom, taken_off)]
        if products is not None:
            got[0] = got[0] + self.messages.of_products(mixed, mixed, products[0], freedom)
        if self.back is not None:
            returned, ends, e = self.back.node_linear(states[1]), edge_index.flip(0), edge_attr
            if taken_off is not None:
                kept = ~(taken_off[0] | taken_off[1])[:, 0]
                ends, e = ends[:, kept], e[kept]
            got.append(self.back(returned, ends, e, freedom))
            if products is not None:
                got[1] = got[1] + self.back.of_products(returned, mixed, products[1], freedom)
        updated = self._updated(states, got, freedom)
        if self.edges is None:
            return updated, edge_attr
        source, target = self.edges.ends(x, freedom)
        return updated, self.edges(edge_attr, source[edge_index[0]], target[edge_index[1]])

    def dense(
        self,
        space: WeightSpace,
        states: list[tuple[Tensor, ...]],
        edges: dict[Flow, Tensor],
        freedoms: list[Freedom],
    ) -> tuple[list[tuple[Tensor, ...]], dict[Flow, Tensor]]:
        """Updated states ``[B, units, channels]`` of all layers, and features of the edges of all flows."""
        xs = [state[0] for state in states]
        mixed = [self.messages.node_linear(x) for x in xs]
        got = [self.messages.dense(mixed, edges, freedoms)]
        got[0] = self.messages.of_dense_products(space, mixed, mixed, got[0], freedoms)
        if self.back is not None:
            returned = [self.back.node_linear(state[1]) for state in states]
            sums = self.back.dense(returned, edges, freedoms, backward=True)
            got.append(self.back.of_dense_products(space, returned, mixed, sums, freedoms, backward=True))
        updated = [self._updated(*each) for each in zip(states, zip(*got, strict=True), freedoms, strict=True)]
        return updated, edges if self.edges is None else self.edges.dense(xs, edges, freedoms)

    def _updated(
        self, states: tuple[Tensor, ...], got: list[Tensor] | tuple[Tensor, ...], freedom: Freedom
    ) -> tuple[Tensor, ...]:
        if isinstance(self.nodes, DualUpdate):
            return self.nodes(states[0], got[0], states[1], got[1], freedom)
        return (self.nodes(states[0], got[0], freedom),)

    def __repr__(self) -> str:
        options = "" if self.update_edges else ", update_edges=False"
        options += ", bidirectional=True" if self.bidirectional else ""
        return f"{type(self).__name__}({self.channels}{options})"


def first_states(x: Tensor, freedom: Freedom, bidirectional: bool) -> tuple[Tensor, ...]:
    """Initial states of nodes: x, and y = x where no magnitude is free (λ = 1/λ), else 0."""
    if not bidirectional:
        return (x,)
    if isinstance(freedom.magnitude, Tensor):
        return x, torch.where(freedom.magnitude, 0, x)
    return x, torch.zeros_like(x) if freedom.magnitude else x
