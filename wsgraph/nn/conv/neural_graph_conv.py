"""Messages with principal neighbourhood aggregation, modulated by features of edges."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsgraph.nn.conv.edge_update import EdgeUpdate
from wsgraph.nn.readout.perceptron import perceptron
from wsgraph.nn.reset import reset_children
from wsgraph.nn.wiring import SOURCE, TARGET, Wiring, degrees
from wsgraph.nn.wiring.wiring import Values
from wsgraph.space import WeightSpace

EPS = 1e-5
"""Under the root of a standard deviation."""


class NeuralGraphConv(nn.Module):
    r"""The operator of the GNN from the `"Graph Neural Networks for Learning Equivariant Representations of Neural
    Networks" <https://arxiv.org/abs/2403.12143>`_ paper.

    .. math::
        m_{ij} &= Γ_1 e_{ij} ⊙ W [x_i, x_j] + Γ_2 e_{ij}, \\
        x'_i &= x_i + \mathrm{MLP}\Big(x_i, [1, \log(d_i + 1) / δ] ⊗ [\mathrm{mean}, \max, \min, \mathrm{std}]_j
        \, m_{ij}\Big), \\
        e'_{ij} &= e_{ij} + \mathrm{MLP}(e_{ij}, x'_i, x'_j),

    with the number d of edges of a node, and δ the mean of log(d + 1) over the nodes of the weight space. With
    ``bidirectional`` a second set of messages, with weights of its own, runs from targets to sources. The residual
    terms, and a perceptron with layer normalisation in place of a linear map, are ours.

    **Symmetry**: equivariant to permutations of nodes.

    Args:
        space: The weight space that says how many edges a node has.
        channels: Width of node and edge features.
        bidirectional: Whether messages run both ways.
        update_edges: Whether edge features change, too; False for a last layer whose edges nobody reads.

    Shapes:
        - **input**: values of the nodes and of the edges
        - **output**: the same
    """

    def __init__(
        self, space: WeightSpace, channels: int, bidirectional: bool = False, update_edges: bool = True
    ) -> None:
        super().__init__()
        self.ends = (TARGET, SOURCE) if bidirectional else (TARGET,)
        self.typical = [_typical(space, end) for end in self.ends]
        self.receiver = nn.ModuleList(nn.Linear(channels, channels) for _ in self.ends)
        self.sender = nn.ModuleList(nn.Linear(channels, channels, bias=False) for _ in self.ends)
        self.modulation = nn.ModuleList(nn.Linear(channels, 2 * channels) for _ in self.ends)
        self.update = perceptron((1 + 8 * len(self.ends)) * channels, channels, 1, channels)
        self.edge_update = EdgeUpdate(channels) if update_edges else None

    def reset_parameters(self) -> None:
        """Draw new initial weights."""
        reset_children(self)

    def forward(self, wiring: Wiring, x: Tensor, values: Values) -> tuple[Tensor, Values]:
        """Updated features of nodes and edges."""
        found = [x]
        for number, end in enumerate(self.ends):
            messages = self._messages(wiring, number, x, values)
            degree = wiring.degree(end)
            together = torch.cat(_aggregated(wiring, end, messages, degree), dim=-1)
            found += [together, together * (degree.log1p() / self.typical[number])]
        x = x + self.update(torch.cat(found, dim=-1))
        if self.edge_update is None:
            return x, values
        return x, [e + change for e, change in zip(values, self.edge_update(wiring, x, values), strict=True)]

    def _messages(self, wiring: Wiring, number: int, x: Tensor, values: Values) -> Values:
        end = self.ends[number]
        mine, others = wiring.at(end, self.receiver[number](x)), wiring.at(1 - end, self.sender[number](x))
        factors = (self.modulation[number](e).chunk(2, dim=-1) for e in values)
        return [torch.addcmul(shift, scale, a + b) for (scale, shift), a, b in zip(factors, mine, others, strict=True)]


def _aggregated(wiring: Wiring, end: int, messages: Values, degree: Tensor) -> list[Tensor]:
    """Mean, maximum, minimum and standard deviation of the messages of every node; 0 where there are none."""
    count = degree.clamp_min(1)
    mean = wiring.reduced(end, messages) / count
    square = [(m - c).square() for m, c in zip(messages, wiring.at(end, mean), strict=True)]
    deviation = (wiring.reduced(end, square) / count + EPS).sqrt()
    return [mean, wiring.reduced(end, messages, "amax"), wiring.reduced(end, messages, "amin"), deviation]


def _typical(space: WeightSpace, end: int) -> float:
    """The mean of log(d + 1) over the nodes that have edges; 1 if none has."""
    counts = degrees(space, False)[end]
    sizes = torch.tensor([space.size(i) for i in range(len(space.layers))])
    some = counts > 0
    return float((counts.double().log1p() * sizes)[some].sum() / sizes[some].sum()) if some.any() else 1.0
