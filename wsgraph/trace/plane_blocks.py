"""Blocks that hold the two coordinates of the same planes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from wsgraph.space import Block, Plane
from wsgraph.trace.planes import Coordinates


class Part(Protocol):
    """Indices of an axis of a tensor that form an axis of a block: see :mod:`wsgraph.trace.assemble`."""

    @property
    def group(self) -> int:
        """The group of its units."""

    @property
    def kind(self) -> int:
        """The kind of its legs."""

    @property
    def index(self) -> Any:
        """Where the units lie."""


def in_planes(
    blocks: Sequence[Block], parts: Sequence[Sequence[Part]], planes: Mapping[int, Coordinates], base: Sequence[int]
) -> tuple[list[Block], Collection[int]]:
    """The blocks with the coordinates that they hold, and the groups of planes of which no coordinate is missing.

    ``base`` has for each group the one whose matrices act on it.
    """
    found, whole = list(blocks), set(planes)
    for number, own in enumerate(parts):
        for axis, part in enumerate(own):
            group = base[part.group]
            if part.kind in planes.get(group, ()):
                coordinate, kind = planes[group][part.kind]
                partner = _partner(blocks, parts, number, axis, kind)
                if partner is None:
                    whole.discard(group)
                else:
                    axes = list(found[number].axes)
                    axes[axis] = replace(axes[axis], plane=Plane(coordinate, partner))
                    found[number] = replace(found[number], axes=tuple(axes))
    return [_without_others(block, whole, base) for block in found], whole


def _partner(blocks: Sequence[Block], parts: Sequence[Sequence[Part]], number: int, axis: int, kind: int) -> int | None:
    """The block of the same tensor that differs in the kind of one axis only."""
    wanted = [kind if i == axis else part.kind for i, part in enumerate(parts[number])]
    for other, own in enumerate(parts):
        if blocks[other].tensor == blocks[number].tensor and [part.kind for part in own] == wanted:
            same = all(
                a.group == b.group and (i == axis or np.array_equal(a.index, b.index))
                for i, (a, b) in enumerate(zip(own, parts[number], strict=True))
            )
            if same and blocks[other].shape == blocks[number].shape:
                return other
    return None


def _without_others(block: Block, whole: Collection[int], base: Sequence[int]) -> Block:
    axes = tuple(axis if base[axis.group] in whole else replace(axis, plane=None) for axis in block.axes)
    return replace(block, axes=axes)
