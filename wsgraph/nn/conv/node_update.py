"""New node features from the messages that nodes get: forward, or both ways."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsgraph.nn.canonical import FixedFactor, Freedom, ScaleEquivariant, canonical, perceptron_of_one, replaced
from wsgraph.nn.near_identity import NearIdentity
from wsgraph.nn.reset import reset_children


class NodeUpdate(nn.Module):
    r"""x' = S x + ScaleEq([x, m]).

    Args:
        channels: Width of the features.
        mixes: See :class:`~wsgraph.nn.ScaleInvariant`.
        linear_skip: Whether S is a matrix; else it is one factor for each channel.
    """

    def __init__(self, channels: int, mixes: bool = True, linear_skip: bool = False) -> None:
        super().__init__()
        self.skip = NearIdentity(channels, linear_skip)
        self.net = ScaleEquivariant(2 * channels, channels, mixes=mixes, has_fixed=True)

    def reset_parameters(self) -> None:
        """Draw new initial weights."""
        reset_children(self)

    def forward(self, x: Tensor, messages: Tensor, freedom: Freedom) -> Tensor:
        """Updated features, multiplied as x."""
        return self.skip(x) + self.net(torch.cat([x, messages], dim=-1), *freedom)


class DualUpdate(nn.Module):
    r"""New covariant states x and contravariant states y, each a linear map of its kind times what both decide.

    .. math:: x' &= S x + (Γ z + \underline{Γ' w}) ⊙ (1 + φ_x), \qquad
        y' = S' y + (Γ'' w + \underline{Γ''' z}) ⊙ (1 + φ_y), \\
        φ &= φ(\mathrm{canon}(z), \mathrm{canon}(w), x ⊙ y), \qquad z = [x, m], \; w = [y, n],

    where x and the messages m from sources are multiplied by λ, y and the messages n from targets by 1/λ. The
    underlined maps act where a unit has no free magnitude, so that λ = 1/λ: there the states mix as in the paper.

    **Symmetry**: equivariant, as the flags say.

    Args:
        channels: Width of the states.
        mixes: See :class:`~wsgraph.nn.ScaleInvariant`.
        linear_skip: Whether S and S' are matrices.
        crosses: Whether there are the underlined maps.
        both: Whether y is wanted; False where nobody reads it any more.
    """

    def __init__(
        self,
        channels: int,
        mixes: bool = True,
        linear_skip: bool = False,
        crosses: bool = True,
        both: bool = True,
    ) -> None:
        super().__init__()
        kinds = range(1 + both)
        self.skips = nn.ModuleList(NearIdentity(channels, linear_skip) for _ in kinds)
        self.linears = nn.ModuleList(nn.Linear(2 * channels, channels, bias=False) for _ in kinds)
        self.crosses = nn.ModuleList(nn.Linear(2 * channels, channels, bias=False) for _ in kinds if crosses)
        wide = channels if mixes else 2 * channels
        self.mixes = nn.ModuleList(
            nn.Linear(2 * channels, wide, bias=False) if mixes else nn.Identity() for _ in range(2)
        )
        self.factor = perceptron_of_one(2 * wide + channels, channels, len(kinds) * channels)
        self.plain = FixedFactor(4 * channels, len(kinds) * channels, channels)

    def reset_parameters(self) -> None:
        """Draw new initial weights."""
        reset_children(self)

    def forward(
        self, x: Tensor, messages: Tensor, y: Tensor, returned: Tensor, freedom: Freedom
    ) -> tuple[Tensor, Tensor]:
        """Updated states."""
        kinds = torch.cat([x, messages], dim=-1), torch.cat([y, returned], dim=-1)
        linear = torch.cat([self._linear(i, kinds, freedom.magnitude) for i in range(len(self.linears))], dim=-1)
        every = torch.cat(kinds, dim=-1)
        if freedom.fixed is True:
            result = self.plain(linear, every)
        else:
            seen = [canonical(mix(k), *freedom[:2]) for mix, k in zip(self.mixes, kinds, strict=True)]
            result = linear.addcmul(linear, self.factor(torch.cat([*seen, x * y], dim=-1)))
            if isinstance(freedom.fixed, Tensor):
                result = replaced(result, freedom.fixed, self.plain, linear, every)
        changes = result.split(x.shape[-1], dim=-1)
        states = [skip(s) + change for skip, s, change in zip(self.skips, (x, y), changes, strict=False)]
        return states[0], states[-1] if len(states) > 1 else y

    def _linear(self, i: int, kinds: tuple[Tensor, Tensor], magnitude: Tensor | bool) -> Tensor:
        """The linear map of one kind of state, and of the other where both are multiplied alike."""
        result = self.linears[i](kinds[i])
        if not self.crosses or magnitude is True:
            return result
        other = self.crosses[i](kinds[1 - i])
        return result + (torch.where(magnitude, 0, other) if isinstance(magnitude, Tensor) else other)
