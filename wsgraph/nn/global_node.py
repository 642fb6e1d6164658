"""A node that is joined to all others."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsgraph.nn.readout.perceptron import perceptron
from wsgraph.nn.reset import reset_children
from wsgraph.nn.wiring import Wiring


class GlobalNode(nn.Module):
    r"""A node without a number that reads all nodes of its graph, and is read by them.

    .. math:: u' = u + \mathrm{MLP}\Big(u, \frac{1}{n} \sum_i x_i\Big), \qquad x'_i = x_i + Γ u'

    **Symmetry**: equivariant to permutations.

    Args:
        channels: Width of the features.

    Shapes:
        - **input**: values ``[B, channels]`` of the graphs and ``[..., N, channels]`` of the nodes
        - **output**: the same
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.read = perceptron(2 * channels, channels, 1, channels)
        self.write = nn.Linear(channels, channels)

    def reset_parameters(self) -> None:
        """Draw new initial weights."""
        reset_children(self)

    def forward(self, wiring: Wiring, u: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Updated values of the graphs and of the nodes."""
        u = u + self.read(torch.cat([u, wiring.mean(x)], dim=-1))
        return u, x + wiring.spread(self.write(u))
