"""Weights sorted by the monomial that moves them, and the linear maps that commute with it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wsgraph.nn.canonical import unit_norm
from wsgraph.nn.structure import freedoms
from wsgraph.space import Axis, Block, WeightSpace


@dataclass(frozen=True)
class MonomialKind:
    """All blocks that one monomial of permutations and scales moves.

    Attributes:
        blocks: Their indices.
        sizes: Sizes of the axes that move.
        channels: Number of entries at each position: indices of fixed axes and kernels, of all blocks.
        magnitude: Whether a magnitude of the monomial is free.
        sign: Whether a sign is free.
    """

    blocks: tuple[int, ...]
    sizes: tuple[int, ...]
    channels: int
    magnitude: bool
    sign: bool

    @property
    def still(self) -> bool:
        """Whether nothing moves these blocks."""
        return not self.sizes

    def activation(self, x: Tensor) -> Tensor:
        """A nonlinearity that commutes with the monomial, for channels last."""
        if self.magnitude and self.sign:
            return x * unit_norm(x).abs() * x.shape[-1] ** 0.5
        return x.tanh() if self.sign else x.relu()


class MonomialLayout:
    """Between flat weights and features ``[B, *sizes, channels]`` of each kind.

    Args:
        space: The weight space.
    """

    def __init__(self, space: WeightSpace) -> None:
        self.space = space
        found: dict[tuple[object, ...], list[int]] = defaultdict(list)
        for i, block in enumerate(space.blocks):
            found[tuple(_motion(space, axis) for axis in _moving(space, block))].append(i)
        self.kinds = tuple(self._kind(blocks) for blocks in found.values())

    def gather(self, weights: Tensor) -> list[Tensor]:
        """Features with one channel for each entry, from weights ``[B, P]``."""
        return [torch.cat([self._features(weights, i) for i in kind.blocks], dim=-1) for kind in self.kinds]

    def scatter(self, features: list[Tensor], weights: Tensor) -> Tensor:
        """The inverse of :meth:`gather`: ``[B, P]``."""
        pieces: list[Tensor] = [weights] * len(self.space.blocks)
        for kind, x in zip(self.kinds, features, strict=True):
            widths = [self._still_size(self.space.blocks[i]) for i in kind.blocks]
            for i, part in zip(kind.blocks, x.split(widths, dim=-1), strict=True):
                block = self.space.blocks[i]
                order = self._order(block)
                sizes = [block.shape[a] for a in order]
                values = part.reshape(len(part), *sizes)
                pieces[i] = values.permute(0, *(order.index(a) + 1 for a in range(len(order)))).reshape(len(part), -1)
        return torch.cat(pieces, dim=1)

    def _kind(self, blocks: list[int]) -> MonomialKind:
        first = self.space.blocks[blocks[0]]
        axes = _moving(self.space, first)
        free = [freedoms(self.space, axis.scale) for axis in axes]
        return MonomialKind(
            tuple(blocks),
            tuple(len(axis.offsets) for axis in axes),
            sum(self._still_size(self.space.blocks[i]) for i in blocks),
            any(magnitude for magnitude, _ in free),
            any(sign for _, sign in free),
        )

    def _features(self, weights: Tensor, i: int) -> Tensor:
        block = self.space.blocks[i]
        values = self.space.block_view(weights, i) + block.shift
        if not block.shape:
            return values.reshape(len(weights), 1)
        values = values.permute(0, *(a + 1 for a in self._order(block)))
        moving = len(_moving(self.space, block))
        return values.reshape(*values.shape[: moving + 1], -1)

    def _order(self, block: Block) -> list[int]:
        """Axes that move, then axes that do not."""
        moving = _moving(self.space, block)
        still = [a for a in range(len(block.shape)) if a >= len(block.axes) or block.axes[a] not in moving]
        return [a for a in range(len(block.shape)) if a not in still] + still

    def _still_size(self, block: Block) -> int:
        moving = _moving(self.space, block)
        size = block.numel
        for axis in moving:
            size //= len(axis.offsets)
        return size


class MonomialLinear(nn.Module):
    r"""One linear map of channels for each kind: all linear maps between weights of one monomial.

    .. math:: W'_{m j k} = \sum_n a_{mn} W_{n j k}

    where j and k run over the axes that move, and m and n over channels, entries of kernels, indices of fixed axes,
    and blocks of the kind. What nothing moves gets a bias as well.

    **Symmetry**: equivariant to the monomial group of the space.

    Args:
        layout: The kinds.
        in_channels: Channels of each entry before.
        out_channels: Channels of each entry after.

    Shapes:
        - **input**: for each kind ``[B, *sizes, entries * in_channels]``
        - **output**: for each kind ``[B, *sizes, entries * out_channels]``
    """

    def __init__(self, layout: MonomialLayout, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.maps = nn.ModuleList(
            nn.Linear(kind.channels * in_channels, kind.channels * out_channels, bias=kind.still)
            for kind in layout.kinds
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Xavier normal, as in the paper."""
        for linear in self.maps:
            assert isinstance(linear, nn.Linear)
            nn.init.xavier_normal_(linear.weight)
            if linear.bias is not None:
                nn.init.zeros_(linear.bias)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Mapped features of every kind."""
        return [linear(x) for linear, x in zip(self.maps, features, strict=True)]

    def extra_repr(self) -> str:
        """Its channels."""
        return f"{self.in_channels} -> {self.out_channels}"


class EntryAffine(nn.Module):
    """A learned gain and shift for each channel.

    Args:
        channels: Their number.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.empty(channels))
        self.shift = nn.Parameter(torch.empty(channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Back to the identity."""
        nn.init.ones_(self.gain)
        nn.init.zeros_(self.shift)

    def forward(self, x: Tensor) -> Tensor:
        """Gain times x plus shift, for channels last."""
        return x * self.gain + self.shift


def _moving(space: WeightSpace, block: Block) -> list[Axis]:
    return [axis for axis in block.axes if axis.scale or not space.groups[axis.group].fixed]


def _motion(space: WeightSpace, axis: Axis) -> tuple[object, ...]:
    """What moves an axis: a sign is its own inverse, so that powers count only where magnitudes are free."""
    factors = []
    for factor in axis.scale:
        values = space.scales[factor.scale_class].values
        power = factor.power if values.has_magnitude else 0.0
        parity = factor.parity if values.has_sign else 0
        factors.append((factor.scale_class, power, parity))
    return axis.group, tuple(factors)
