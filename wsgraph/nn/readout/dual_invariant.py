"""Invariants of units that carry a covariant and a contravariant state."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsgraph.nn.canonical import canonical
from wsgraph.nn.reset import reset_children


class DualInvariant(nn.Module):
    r"""φ(canon(Γ p)) of a covariant state p, or φ(asinh(Γ p ⊙ Γ' q)) of p and a contravariant state q.

    Γ and Γ' have no biases, so that Γ p scales as p, Γ' q as 1/p, and their product not at all; it says how large a
    unit is, which canon takes off. φ is a perceptron of one hidden layer.

    **Symmetry**: invariant to the scales of each unit.

    Args:
        channels: Width of the states.
        out_channels: Width of the invariants.
        products: How many products (or canonical entries) are read: few, since more overfit.
        backward: Whether there is a q.

    Shapes:
        - **input**: p and q ``[..., channels]``, flags broadcastable to ``[..., 1]``
        - **output**: ``[..., out_channels]``
    """

    def __init__(self, channels: int, out_channels: int, products: int, backward: bool = True) -> None:
        super().__init__()
        self.forward_map = nn.Linear(channels, products, bias=False)
        self.backward_map = nn.Linear(channels, products, bias=False) if backward else None
        self.net = nn.Sequential(
            nn.Linear(products, out_channels),
            nn.LayerNorm(out_channels),
            nn.SiLU(),
            nn.Linear(out_channels, out_channels),
        )

    def reset_parameters(self) -> None:
        """Draw new initial weights."""
        reset_children(self)

    def forward(self, p: Tensor, q: Tensor | None, magnitude: Tensor | bool, sign: Tensor | bool) -> Tensor:
        """Invariant features."""
        mixed = self.forward_map(p)
        if self.backward_map is None or q is None:
            return self.net(canonical(mixed, magnitude, sign))
        return self.net(torch.asinh(mixed * self.backward_map(q)))
