"""How the units of two layers meet: connections as matrices, diagonals, and all that lies between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import gcd

import torch
from torch import Tensor

from wsgraph.space import Connection, WeightSpace
from wsgraph.space.across import for_parts, num_common
from wsgraph.space.per_space import per_space

MAX_KERNEL_COLUMNS = 9
"""Kernels up to this size are columns of ``edge_attr``; larger ones are parallel edges, one for each offset."""


@dataclass(frozen=True)
class Link:
    """A connection of two layers in equal consecutive pieces: in a piece, every source meets every target.

    A matrix has one piece, a diagonal as many as there are units, a grouped convolution something between; where
    units meet the larger unit that they are parts of, each of these is a piece.

    Attributes:
        connection: The connection.
        pieces: Number of pieces.
        targets: Units of the target in a piece.
        sources: Units of the source in a piece.
        kernel: Number of entries for each pair.
        axis: Axis of the block that runs over the sources, or None for a vector, and for an operand.
        source: Index of the source layer.
        target: Index of the target layer.
        block: Index of the block, or None for an operand.
        is_parallel: Whether the kernel is too large for columns, so that its entries are parallel edges.
        columns: Number of columns of ``edge_attr`` that the edges fill.
    """

    connection: Connection
    pieces: int
    targets: int
    sources: int
    kernel: int = 1
    axis: int | None = None
    source: int = field(init=False, repr=False)
    target: int = field(init=False, repr=False)
    block: int | None = field(init=False, repr=False)
    is_parallel: bool = field(init=False, repr=False)
    columns: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        parallel = self.kernel > MAX_KERNEL_COLUMNS
        found = {name: getattr(self.connection, name) for name in ("source", "target", "block")}
        found |= {"is_parallel": parallel, "columns": 1 if parallel else self.kernel}
        for name, value in found.items():
            object.__setattr__(self, name, value)

    @property
    def num_edges(self) -> int:
        """Number of edges in the neuron graph."""
        return self.pieces * self.targets * self.sources * (self.kernel if self.is_parallel else 1)


@per_space
def links(space: WeightSpace) -> tuple[Link, ...]:
    """All connections between layers, each once."""
    return tuple(_link(space, c) for c in dict.fromkeys(space.connections) if c.source is not None)


def num_edges(space: WeightSpace) -> int:
    """Number of edges of one neuron graph, without making them."""
    return sum(link.num_edges for link in links(space))


def common_pieces(space: WeightSpace, first: int, second: int) -> int:
    """Number of pieces in which the units of two groups meet.

    As many as the smallest unit that contains both has copies; units that stay meet those at the same place.
    """
    common = num_common(space, first, second)
    if first in space.moving_groups or second in space.moving_groups:
        return common
    return max(common, gcd(space.groups[first].size, space.groups[second].size), 1)


def arranged(space: WeightSpace, link: Link, values: Tensor) -> Tensor:
    """Entries ``[..., *block.shape]`` of a link's block as ``[..., pieces, targets, sources, kernel]``."""
    assert link.block is not None
    block = space.blocks[link.block]
    lead = values.dim() - len(block.shape)
    if link.axis is None:
        return _as_vector(space, link, values, lead)
    first = lead + (block.pieces > 1)
    axes = [first + link.connection.target_axis, first + link.axis]
    rest = [d for d in range(first, values.dim()) if d not in axes]
    values = values.permute(*range(first), *axes, *rest)
    values = values if block.pieces > 1 else values.unsqueeze(lead)
    return values.flatten(lead + 3) if rest else values[..., None]


def positions(space: WeightSpace, link: Link) -> Tensor:
    """Where the numbers of a link stand in the flat weights: ``[pieces, targets, sources, kernel]``."""
    assert link.block is not None
    return arranged(space, link, block_positions(space, link.block))


def block_positions(space: WeightSpace, block: int) -> Tensor:
    """Where the entries of a block stand in the flat weights, in its shape."""
    part = space.slices[block]
    return torch.arange(part.start, part.stop).reshape(space.blocks[block].shape)


def is_vector(space: WeightSpace, connection: Connection) -> bool:
    """Whether a connection brings one vector to a layer: an entry for each unit, or for each larger unit of several."""
    if connection.source is not None or connection.block is None:
        return False
    axes, count = space.blocks[connection.block].axes, space.size(connection.target)
    return len(axes) == 1 and len(axes[0].offsets) > 0 and count % len(axes[0].offsets) == 0


def _as_vector(space: WeightSpace, link: Link, values: Tensor, lead: int) -> Tensor:
    """One number for each target, or for each larger unit that targets are parts of."""
    assert link.block is not None
    count = link.pieces * link.targets
    values = _target_first(space, link, values, lead)
    if values.shape[lead] < count:
        group = space.blocks[link.block].axes[link.connection.target_axis].group
        own = space.layers[link.target].group
        values = for_parts(space, values.movedim(lead, -1), own, group).movedim(-1, lead)
    values = values.reshape(*values.shape[:lead], link.pieces, link.targets, 1, -1)
    return values.expand(*values.shape[: lead + 2], link.sources, -1)


def _target_first(space: WeightSpace, link: Link, values: Tensor, lead: int) -> Tensor:
    """Entries ``[..., *block.shape]`` as ``[..., units, others]``: first the axis that runs over the target."""
    assert link.block is not None
    block = space.blocks[link.block]
    if block.pieces > 1:
        values = values.movedim(lead + 1 + link.connection.target_axis, lead + 1).flatten(lead, lead + 1)
    else:
        values = values.movedim(lead + link.connection.target_axis, lead)
    return values.reshape(*values.shape[: lead + 1], -1)


def _link(space: WeightSpace, connection: Connection) -> Link:
    assert connection.source is not None
    target, source = connection.target, connection.source
    axis = source_axis(space, connection)
    if connection.block is None or axis is None:
        pieces = common_pieces(space, space.layers[target].group, space.layers[source].group)
    else:
        pieces = space.blocks[connection.block].pieces
    pieces = max(pieces, 1)
    targets, sources = space.size(target) // pieces, space.size(source) // pieces
    kernel = 1
    if connection.block is not None:
        block = space.blocks[connection.block]
        units = min(len(block.axes[connection.target_axis].offsets), pieces * targets)
        kernel = block.numel // max(units * (1 if axis is None else sources), 1)
    return Link(connection, pieces, targets, sources, kernel, axis)


def source_axis(space: WeightSpace, connection: Connection) -> int | None:
    """The axis of a block that runs over the source's units: one of its group if possible, or of its size."""
    if connection.block is None or connection.source is None:
        return None
    axes, group = space.blocks[connection.block].axes, space.layers[connection.source].group
    others = [a for a in range(len(axes)) if a != connection.target_axis]
    same = [a for a in others if axes[a].group == group]
    alike = [a for a in others if len(axes[a].offsets) == space.groups[group].size]
    return next(iter([*same, *alike]), None)
