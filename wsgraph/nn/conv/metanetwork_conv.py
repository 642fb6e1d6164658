"""Messages of perceptrons over graphs with an edge for every parameter."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from wsgraph.nn.conv.edge_update import EdgeUpdate
from wsgraph.nn.readout.perceptron import perceptron
from wsgraph.nn.reset import reset_children
from wsgraph.nn.wiring import SOURCE, TARGET, Wiring
from wsgraph.nn.wiring.wiring import Values


class MetanetworkConv(nn.Module):
    r"""The operator from the `"Graph Metanetworks for Processing Diverse Neural Architectures"
    <https://arxiv.org/abs/2312.04501>`_ paper.

    .. math::
        x'_i = x_i + \mathrm{MLP}\Big(x_i, \sum_j \mathrm{MLP}(x_i, x_j, e_{ij})\Big), \qquad
        e'_{ij} = e_{ij} + \mathrm{MLP}(x'_i, x'_j, e_{ij})

    With ``bidirectional`` messages with weights of their own run from targets to sources, too. The global state u of
    the paper is that of :class:`~wsgraph.nn.GlobalNode`, which adds it to all x. The residual terms are ours.

    **Symmetry**: equivariant to permutations of nodes.

    Args:
        channels: Width of node and edge features.
        bidirectional: Whether messages run both ways.
        update_edges: Whether edge features change, too; False for a last layer whose edges nobody reads.

    Shapes:
        - **input**: values of the nodes and of the edges
        - **output**: the same
    """

    def __init__(self, channels: int, bidirectional: bool = True, update_edges: bool = True) -> None:
        super().__init__()
        self.ends = (TARGET, SOURCE) if bidirectional else (TARGET,)
        self.receiver = nn.ModuleList(nn.Linear(channels, channels, bias=False) for _ in self.ends)
        self.sender = nn.ModuleList(nn.Linear(channels, channels, bias=False) for _ in self.ends)
        self.edge = nn.ModuleList(nn.Linear(channels, channels) for _ in self.ends)
        self.update = perceptron((1 + len(self.ends)) * channels, channels, 1, channels)
        self.edge_update = EdgeUpdate(channels) if update_edges else None

    def reset_parameters(self) -> None:
        """Draw new initial weights."""
        reset_children(self)

    def forward(self, wiring: Wiring, x: Tensor, values: Values) -> tuple[Tensor, Values]:
        """Updated features of nodes and edges."""
        found = [x]
        for end, receiver, sender, edge in zip(self.ends, self.receiver, self.sender, self.edge, strict=True):
            mine, others = wiring.at(end, receiver(x)), wiring.at(1 - end, sender(x))
            hidden = [silu(edge(e) + a + b) for e, a, b in zip(values, mine, others, strict=True)]
            found.append(wiring.reduced(end, hidden))  # the last linear map of a message is the first of the update
        x = x + self.update(torch.cat(found, dim=-1))
        if self.edge_update is None:
            return x, values
        return x, [e + change for e, change in zip(values, self.edge_update(wiring, x, values), strict=True)]
