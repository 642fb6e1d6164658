"""New features of edges from those of their ends."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import silu

from wsgraph.nn.reset import reset_children
from wsgraph.nn.wiring import SOURCE, TARGET, Wiring
from wsgraph.nn.wiring.wiring import Values


class EdgeUpdate(nn.Module):
    r"""MLP(x_source, x_target, e), a perceptron of one hidden layer.

    **Symmetry**: equivariant to permutations.

    Args:
        channels: Width of node and edge features.

    Shapes:
        - **input**: values of the nodes and of the edges
        - **output**: what the features of the edges should change by
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.source = nn.Linear(channels, channels, bias=False)
        self.target = nn.Linear(channels, channels, bias=False)
        self.edge = nn.Linear(channels, channels)
        self.out = nn.Linear(channels, channels)

    def reset_parameters(self) -> None:
        """Draw new initial weights."""
        reset_children(self)

    def forward(self, wiring: Wiring, x: Tensor, values: Values) -> Values:
        """Changes of the edges' features."""
        sources, targets = wiring.at(SOURCE, self.source(x)), wiring.at(TARGET, self.target(x))
        hidden = (self.edge(e) + s + t for e, s, t in zip(values, sources, targets, strict=True))
        return [self.out(silu(h)) for h in hidden]
