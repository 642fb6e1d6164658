"""Attention between units that share an edge, with features of edges in queries, keys and values."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsgraph.nn.conv.edge_update import EdgeUpdate
from wsgraph.nn.reset import reset_children
from wsgraph.nn.wiring import SOURCE, TARGET, Wiring
from wsgraph.nn.wiring.wiring import Values


class RelationalAttention(nn.Module):
    r"""The layer of the relational transformer from the `"Graph Neural Networks for Learning Equivariant
    Representations of Neural Networks" <https://arxiv.org/abs/2403.12143>`_ paper.

    .. math::
        q_{ij} &= Q x_i + Q_e e_{ij}, \quad k_{ij} = K x_j + K_e e_{ij}, \quad
        v_{ij} = (V x_j) ⊙ (M_e e_{ij}) + V_e e_{ij}, \\
        x_i &\leftarrow \mathrm{LN}\Big(x_i + O \sum_j \operatorname{softmax}_j(q_{ij}^T k_{ij} / \sqrt d) v_{ij}\Big),
        \quad x_i \leftarrow \mathrm{LN}(x_i + \mathrm{MLP}(x_i)), \\
        e_{ij} &\leftarrow \mathrm{LN}(e_{ij} + \mathrm{MLP}(e_{ij}, x_i, x_j)), \quad
        e_{ij} \leftarrow \mathrm{LN}(e_{ij} + \mathrm{MLP}(e_{ij})),

    in several heads of width d. In the paper j runs over all nodes of the graph; here over those that share an edge
    with i, so that a layer costs as much as there are weights. With ``bidirectional`` nodes attend to their sources
    and, in heads of their own, to their targets.

    **Symmetry**: equivariant to permutations of nodes.

    Args:
        channels: Width of node and edge features.
        heads: Number of heads; channels must be a multiple of it.
        bidirectional: Whether nodes attend to their targets, too.
        update_edges: Whether edge features change, too; False for a last layer whose edges nobody reads.

    Shapes:
        - **input**: values of the nodes and of the edges
        - **output**: the same
    """

    def __init__(self, channels: int, heads: int = 4, bidirectional: bool = True, update_edges: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.ends = (TARGET, SOURCE) if bidirectional else (TARGET,)
        self.query = nn.ModuleList(nn.Linear(channels, channels, bias=False) for _ in self.ends)
        self.key_value = nn.ModuleList(nn.Linear(channels, 2 * channels, bias=False) for _ in self.ends)
        self.edge = nn.ModuleList(nn.Linear(channels, 4 * channels) for _ in self.ends)
        self.out = nn.Linear(len(self.ends) * channels, channels)
        self.mlp, self.norms = _mlp(channels), nn.ModuleList(nn.LayerNorm(channels) for _ in range(2))
        self.update_edges = update_edges
        if update_edges:
            self.edge_update, self.edge_mlp = EdgeUpdate(channels), _mlp(channels)
            self.edge_norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(2))

    def reset_parameters(self) -> None:
        """Draw new initial weights."""
        reset_children(self)

    def forward(self, wiring: Wiring, x: Tensor, values: Values) -> tuple[Tensor, Values]:
        """Updated features of nodes and edges."""
        found = [self._attended(wiring, number, x, values) for number in range(len(self.ends))]
        x = self.norms[0](x + self.out(torch.cat(found, dim=-1)))
        x = self.norms[1](x + self.mlp(x))
        if not self.update_edges:
            return x, values
        changes = self.edge_update(wiring, x, values)
        values = [self.edge_norms[0](e + change) for e, change in zip(values, changes, strict=True)]
        return x, [self.edge_norms[1](e + self.edge_mlp(e)) for e in values]

    def _attended(self, wiring: Wiring, number: int, x: Tensor, values: Values) -> Tensor:
        end = self.ends[number]
        queries = wiring.at(end, self.query[number](x))
        others = wiring.at(1 - end, self.key_value[number](x))
        scores, found = [], []
        for e, q, other in zip(values, queries, others, strict=True):
            (q_e, k_e, m_e, v_e), (k, v) = self.edge[number](e).chunk(4, dim=-1), other.chunk(2, dim=-1)
            product = ((q + q_e) * (k + k_e)).unflatten(-1, (self.heads, -1))
            scores.append(product.sum(-1) / product.shape[-1] ** 0.5)
            found.append(torch.addcmul(v_e, v, m_e).unflatten(-1, (self.heads, -1)))
        weights = wiring.softmax(end, scores)
        return wiring.reduced(end, [(w[..., None] * v).flatten(-2) for w, v in zip(weights, found, strict=True)])


def _mlp(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(channels, channels), nn.GELU(), nn.Linear(channels, channels))
