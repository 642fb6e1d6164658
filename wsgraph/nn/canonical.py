"""Features that scales cannot change, and features that they change as they change the unit."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsgraph.nn.reset import reset_children


def canonical(x: Tensor, magnitude: Tensor | bool, sign: Tensor | bool) -> Tensor:
    """One representative of all multiples of a feature vector that a scale class allows.

    With free magnitudes x / ‖x‖, with free signs |x| (entry by entry), both where both are free.

    Args:
        x: ``[..., channels]``.
        magnitude: Where magnitudes are free: a flag, or flags broadcastable to ``[..., 1]``.
        sign: Where signs are free.
    """
    if isinstance(magnitude, Tensor):
        x = torch.where(magnitude, unit_norm(x), x)
    elif magnitude:
        x = unit_norm(x)
    if isinstance(sign, Tensor):
        return torch.where(sign, x.abs(), x)
    return x.abs() if sign else x


def unit_norm(x: Tensor) -> Tensor:
    """x / ‖x‖ along the last axis; zero stays zero. Safe at any magnitude: the largest entry is divided out first."""
    largest = x.detach().abs().amax(-1, keepdim=True)
    x = x / torch.where(largest > 0, largest, torch.ones_like(largest))
    square = x.square().sum(-1, keepdim=True)
    return x * torch.where(square > 0, square, torch.ones_like(square)).rsqrt()


class ScaleInvariant(nn.Module):
    r"""φ(canon(Γ x)): invariant to the scales of each row, from `"Scale Equivariant Graph Metanetworks"
    <https://arxiv.org/abs/2406.10685>`_.

    Γ has no bias, so that Γ x scales as x; canon is :func:`canonical`; φ is a perceptron of one hidden layer.

    **Symmetry**: invariant to positive multipliers, signs or both, as the flags say.

    Shapes:
        - **input**: ``[..., in_channels]``, flags broadcastable to ``[..., 1]``
        - **output**: ``[..., out_channels]``
    """

    def __init__(self, in_channels: int, out_channels: int, hidden_channels: int | None = None) -> None:
        super().__init__()
        hidden = hidden_channels or out_channels
        self.mix = nn.Linear(in_channels, in_channels, bias=False)
        self.net = nn.Sequential(
            nn.Linear(in_channels, hidden), nn.LayerNorm(hidden), nn.SiLU(), nn.Linear(hidden, out_channels)
        )

    def reset_parameters(self) -> None:
        """Draw new initial weights."""
        reset_children(self)

    def forward(self, x: Tensor, magnitude: Tensor | bool, sign: Tensor | bool) -> Tensor:
        """Invariant features."""
        return self.net(canonical(self.mix(x), magnitude, sign))


class ScaleEquivariant(nn.Module):
    r"""(Γ x) ⊙ (1 + ScaleInvariant(x)): scales as x does, and is as general as its invariant factor.

    The paper has no 1; it lets the layer start as the linear map Γ.

    **Symmetry**: equivariant to positive multipliers, signs or both, as the flags say.

    Shapes:
        - **input**: ``[..., in_channels]``, flags broadcastable to ``[..., 1]``
        - **output**: ``[..., out_channels]``
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, out_channels, bias=False)
        self.factor = ScaleInvariant(in_channels, out_channels)

    def reset_parameters(self) -> None:
        """Draw new initial weights."""
        reset_children(self)

    def forward(self, x: Tensor, magnitude: Tensor | bool, sign: Tensor | bool) -> Tensor:
        """Equivariant features."""
        return self.linear(x) * (1 + self.factor(x, magnitude, sign))
