"""Weights sorted by the monomial that moves them, and the linear maps that commute with it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from wsgraph.nn.canonical import unit_norm
from wsgraph.nn.powers import Powers, powers
from wsgraph.space import Block, WeightSpace


class Motion(NamedTuple):
    """How a block moves: its pieces, groups and multipliers of its axes, and multipliers common to all entries."""

    pieces: int
    axes: tuple[tuple[int, Powers], ...]
    common: Powers


@dataclass(frozen=True)
class MonomialKind:
    """All blocks that one monomial of permutations and scales moves.

    Attributes:
        blocks: Their indices.
        sizes: Sizes of the axes whose entries move, or have multipliers of their own.
        channels: Number of entries at each position: indices of the other axes and of kernels, of all blocks.
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
        """Whether nothing moves or multiplies these blocks."""
        return not (self.sizes or self.magnitude or self.sign)

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
        found: dict[Motion, list[int]] = defaultdict(list)
        for i, block in enumerate(space.blocks):
            found[motion_of(space, block)].append(i)
        self.kinds = tuple(self._kind(motion, blocks) for motion, blocks in found.items())

    def gather(self, weights: Tensor) -> list[Tensor]:
        """Features with one channel for each entry, from weights ``[B, P]``."""
        return [torch.cat([self._features(weights, i) for i in kind.blocks], dim=-1) for kind in self.kinds]

    def scatter(self, features: list[Tensor], weights: Tensor) -> Tensor:
        """The inverse of :meth:`gather`: ``[B, P]``."""
        pieces: list[Tensor] = [weights] * len(self.space.blocks)
        for kind, x in zip(self.kinds, features, strict=True):
            widths = [self._num_still(self.space.blocks[i]) for i in kind.blocks]
            for i, part in zip(kind.blocks, x.split(widths, dim=-1), strict=True):
                block = self.space.blocks[i]
                order = self._order(block)
                values = part.reshape(len(part), *(block.shape[d] for d in order))
                pieces[i] = values.permute(0, *(order.index(d) + 1 for d in range(len(order)))).reshape(len(part), -1)
        return torch.cat(pieces, dim=1)

    def _kind(self, motion: Motion, blocks: list[int]) -> MonomialKind:
        first = self.space.blocks[blocks[0]]
        found = [p for _, own in motion.axes for p in own] + list(motion.common)
        return MonomialKind(
            tuple(blocks),
            tuple(first.shape[d] for d in _moving_dims(self.space, first)),
            sum(self._num_still(self.space.blocks[i]) for i in blocks),
            any(power for _, power, _ in found),
            any(parity for _, _, parity in found),
        )

    def _features(self, weights: Tensor, i: int) -> Tensor:
        block = self.space.blocks[i]
        values = self.space.block_view(weights, i) + block.shift
        if not block.shape:
            return values.reshape(len(weights), 1)
        values = values.permute(0, *(d + 1 for d in self._order(block)))
        return values.reshape(*values.shape[: len(_moving_dims(self.space, block)) + 1], -1)

    def _order(self, block: Block) -> list[int]:
        """Dimensions that move, then dimensions that do not."""
        moving = _moving_dims(self.space, block)
        return moving + [d for d in range(len(block.shape)) if d not in moving]

    def _num_still(self, block: Block) -> int:
        return prod(block.shape[d] for d in self._order(block)[len(_moving_dims(self.space, block)) :])


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


def _positions(space: WeightSpace, block: Block) -> list[int]:
    """Axes whose entries move, or have multipliers of their own."""
    return [
        a
        for a, axis in enumerate(block.axes)
        if axis.group in space.moving_groups or any(not _is_common(space, p[0]) for p in powers(space, (axis.scale, 1)))
    ]


def _moving_dims(space: WeightSpace, block: Block) -> list[int]:
    """The dimensions of a block along these axes, and that of its pieces, which move as they do."""
    found, lead = _positions(space, block), int(block.pieces > 1)
    return [*range(lead if found else 0), *(lead + a for a in found)]


def motion_of(space: WeightSpace, block: Block) -> Motion:
    """What moves a block: a sign is its own inverse, so that powers count only where magnitudes are free."""
    axes = []
    for a in _positions(space, block):
        own = powers(space, (block.axes[a].scale, 1))
        axes.append((block.axes[a].group, tuple(p for p in own if not _is_common(space, p[0]))))
    every = powers(space, *((axis.scale, 1) for axis in block.axes))
    return Motion(block.pieces if axes else 1, tuple(axes), tuple(p for p in every if _is_common(space, p[0])))


def _is_common(space: WeightSpace, scale_class: int) -> bool:
    """Whether a scale class is one multiplier, which all units share."""
    return space.groups[space.scales[scale_class].group].size == 1
