"""Features that scales cannot change, and features that they change as they change the unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from wsgraph.nn.reset import reset_children


class Freedom(NamedTuple):
    """What symmetries can do to units: flags, or tensors of flags that broadcast to ``[..., 1]``.

    Attributes:
        magnitude: Whether their magnitudes are free.
        sign: Whether their signs are free.
        fixed: Whether nothing moves or multiplies them, as inputs and outputs, so that any map may act on them.
    """

    magnitude: Tensor | bool = False
    sign: Tensor | bool = False
    fixed: Tensor | bool = False


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

    Args:
        in_channels: Width of x.
        out_channels: Width of the result.
        hidden_channels: Width between, that of the result if not given.
        mixes: Whether there is a Γ. Absolute values need one, since they take apart what channels say together; behind
            a norm it adds nothing to φ.

    Shapes:
        - **input**: ``[..., in_channels]``, flags broadcastable to ``[..., 1]``
        - **output**: ``[..., out_channels]``
    """

    def __init__(
        self, in_channels: int, out_channels: int, hidden_channels: int | None = None, mixes: bool = True
    ) -> None:
        super().__init__()
        self.mix = nn.Linear(in_channels, in_channels, bias=False) if mixes else nn.Identity()
        self.net = perceptron_of_one(in_channels, hidden_channels or out_channels, out_channels)

    def reset_parameters(self) -> None:
        """Draw new initial weights."""
        reset_children(self)

    def forward(self, x: Tensor, magnitude: Tensor | bool, sign: Tensor | bool) -> Tensor:
        """Invariant features."""
        return self.net(canonical(self.mix(x), magnitude, sign))


class ScaleEquivariant(nn.Module):
    r"""(Γ x) ⊙ (1 + ScaleInvariant(x)): scales as x does, and is as general as its invariant factor.

    The paper has no 1; it lets the layer start as the linear map Γ. With ``has_fixed``, units without any freedom have
    (a ⊙ Γ x + b) ⊙ (1 + φ(x)) with a perceptron φ and vectors a and b of their own: a gate, or a plain perceptron.

    **Symmetry**: equivariant to positive multipliers, signs or both, as the flags say.

    Args:
        in_channels: Width of x.
        out_channels: Width of the result.
        mixes: See :class:`ScaleInvariant`.
        has_fixed: Whether there are fixed units.

    Shapes:
        - **input**: ``[..., in_channels]``, flags broadcastable to ``[..., 1]``
        - **output**: ``[..., out_channels]``
    """

    def __init__(self, in_channels: int, out_channels: int, mixes: bool = True, has_fixed: bool = False) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, out_channels, bias=False)
        self.factor = ScaleInvariant(in_channels, out_channels, mixes=mixes)
        self.plain = FixedFactor(in_channels, out_channels) if has_fixed else None

    def reset_parameters(self) -> None:
        """Draw new initial weights."""
        reset_children(self)

    def forward(self, x: Tensor, magnitude: Tensor | bool, sign: Tensor | bool, fixed: Tensor | bool = False) -> Tensor:
        """Equivariant features."""
        values = self.linear(x)
        if self.plain is None or fixed is False:
            return _gated(values, self.factor(x, magnitude, sign))
        if fixed is True:
            return self.plain(values, x)
        scaled = _gated(values, self.factor(x, magnitude, sign))
        return replaced(scaled, fixed, self.plain, values, x)


class FixedFactor(nn.Module):
    """(a ⊙ v + b) ⊙ (1 + φ(x)): for values v and features x of units that no symmetry touches.

    Args:
        in_channels: Width of x.
        out_channels: Width of v.
        hidden_channels: Width of the hidden layer of φ, that of v if not given.
    """

    def __init__(self, in_channels: int, out_channels: int, hidden_channels: int | None = None) -> None:
        super().__init__()
        self.gain, self.shift = nn.Parameter(torch.empty(out_channels)), nn.Parameter(torch.empty(out_channels))
        self.net = perceptron_of_one(in_channels, hidden_channels or out_channels, out_channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial weights: a = 1, b = 0."""
        nn.init.ones_(self.gain)
        nn.init.zeros_(self.shift)
        reset_children(self)

    def forward(self, values: Tensor, x: Tensor) -> Tensor:
        """Any function of the units."""
        return _gated(torch.addcmul(self.shift, self.gain, values), self.net(x))


def replaced(result: Tensor, fixed: Tensor | bool, net: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """A result ``[N, C]`` with the rows of fixed units replaced by what another net makes of theirs."""
    rows = torch.as_tensor(fixed, device=result.device).expand(len(result), 1)[:, 0].nonzero()[:, 0]
    return result.index_put((rows,), net(*(x[rows] for x in inputs)).to(result))


def perceptron_of_one(in_channels: int, hidden_channels: int, out_channels: int) -> nn.Sequential:
    """A perceptron of one hidden layer, with layer normalisation and SiLU."""
    hidden = nn.Linear(in_channels, hidden_channels), nn.LayerNorm(hidden_channels), nn.SiLU()
    return nn.Sequential(*hidden, nn.Linear(hidden_channels, out_channels))


def _gated(values: Tensor, factor: Tensor) -> Tensor:
    """values ⊙ (1 + factor), in one pass."""
    return torch.addcmul(values, values, factor)
