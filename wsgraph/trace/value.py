"""Abstract values of a trace: a shape, and labels that say which unit stands where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from wsgraph.trace.legs import LEG, NODE, SITE, Label, mix


class NotCovered(Exception):
    """A form of an operator that its rule does not cover; its inputs are pinned."""


@dataclass(frozen=True)
class Value:
    """What the trace knows of one tensor.

    Attributes:
        shape: Its shape.
        labels: Which units stand where: one label for each index that the entries have. The values of a layer have one,
            a matrix has two; an entry is multiplied by the product of their multipliers.
        tensor: The key of the state-dict tensor whose entries these are, in any arrangement, or None.
        parts: For numbers that depend on the state dict alone, the keys of the tensors that they are made of.
        members: The tensors of which every entry here takes one, with their own labels.
        is_raw: Whether this is a tensor as it is stored, whose labels are made when a rule asks for them.
        is_zero: Whether all entries are known to be 0.
        repeated: Axes, counted from the end, along which all entries are known to be equal.
        name: What to call it.
    """

    shape: tuple[int, ...]
    labels: tuple[Label, ...] = ()
    tensor: str | None = None
    parts: tuple[str, ...] = ()
    members: tuple[tuple[str, tuple[Label, ...]], ...] = ()
    is_raw: bool = False
    is_zero: bool = False
    repeated: frozenset[int] = frozenset()
    name: str = ""

    @property
    def is_parameter(self) -> bool:
        """Whether these numbers depend on the state dict alone."""
        return bool(self.parts)

    def along(self, axis: int) -> tuple[Label, ...]:
        """The labels that vary along an axis."""
        axis %= max(len(self.shape), 1)
        return tuple(label for label in self.labels if label.shape[axis + 1] > 1)


def moved(value: Value, change: Callable[[Label], Label], shape: Sequence[int], name: str) -> Value:
    """The value after a change of the places of its entries."""
    labels = tuple(change(label) for label in value.labels)
    members = tuple((tensor, tuple(change(label) for label in own)) for tensor, own in value.members)
    return replace(value, shape=tuple(shape), labels=labels, members=members, repeated=frozenset(), name=name)


def span(label: Label) -> frozenset[int]:
    """Axes, counted from the end (-1, -2, ...), along which the label varies."""
    return frozenset(i - (label.ndim - 1) for i, n in enumerate(label.shape[1:]) if n > 1)


def laid(label: Label, axis: int, rank: int) -> Label:
    """A one-axis label ``[3, n]`` laid along one axis of a tensor of this rank."""
    dims = [1] * rank
    dims[axis] = label.shape[1]
    return label.reshape(3, *dims)


def raised(label: Label, rank: int) -> Label:
    """The label for a tensor with further axes in front."""
    return label.reshape(3, *[1] * (rank + 1 - label.ndim), *label.shape[1:])


def retag(label: Label, key: int) -> Label:
    """The same units, marked as another copy."""
    return np.stack([label[LEG], mix(label[SITE], key), label[NODE]])


def with_node(label: Label, node: int) -> Label:
    """The same units, as the result of another operator; what came from several operators is still told apart."""
    came_from = label[NODE]
    several = came_from.size > 0 and bool((came_from != came_from.reshape(-1)[0]).any())
    site = mix(label[SITE], came_from) if several else label[SITE]
    return np.stack([label[LEG], site, np.full_like(came_from, node)])


def number_copies(label: Label) -> Label:
    """Give the repeated positions of a unit sites of their own."""
    flat = label.reshape(3, -1)
    if flat.shape[1] < 2:
        return label
    _, content = np.unique(flat, axis=1, return_inverse=True)
    content = content.reshape(-1)
    order = np.argsort(content, kind="stable")
    ranked = content[order]
    first = np.r_[0, np.flatnonzero(np.diff(ranked)) + 1]
    rank = np.arange(len(ranked)) - np.repeat(first, np.diff(np.r_[first, len(ranked)]))
    if not rank.any():
        return label
    copies = np.empty_like(rank)
    copies[order] = rank
    site = np.where(copies > 0, mix(flat[SITE], copies), flat[SITE])
    return np.stack([flat[LEG], site, flat[NODE]]).reshape(label.shape)


def reshape(label: Label, old: Sequence[int], new: Sequence[int]) -> Label:
    """The label of a tensor of shape ``old`` after ``reshape(new)``.

    Where axes with and without units are merged, positions along the latter become sites; where a later reshape sets
    them apart again, sites become positions.
    """
    pieces = matching_axes(old, new)
    dims, source = [], label
    position = 0
    for old_part, new_part in pieces:
        axes = range(position, position + len(old_part))
        position += len(old_part)
        if all(source.shape[a + 1] == 1 for a in axes):
            dims += [1] * len(new_part)
            continue
        source = _expand(source, dict(zip(axes, old_part, strict=True)))
        dims += list(new_part)
    return _positions_from_sites(source.reshape(3, *dims))


def matching_axes(old: Sequence[int], new: Sequence[int]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Cut two shapes of equal size into the finest runs of axes with equal products."""
    pieces, i, j = [], 0, 0
    while i < len(old) or j < len(new):
        i_end, j_end = min(i + 1, len(old)), min(j + 1, len(new))
        while prod(old[i:i_end]) != prod(new[j:j_end]):
            if prod(old[i:i_end]) < prod(new[j:j_end]):
                i_end += 1
            else:
                j_end += 1
        pieces.append((tuple(old[i:i_end]), tuple(new[j:j_end])))
        i, j = i_end, j_end
    return pieces


def _expand(label: Label, sizes: dict[int, int]) -> Label:
    """Make the label full along these axes; positions along new ones become sites."""
    rank = label.ndim - 1
    if all(label.shape[a + 1] == n for a, n in sizes.items()):
        return label
    for axis, size in sizes.items():
        if label.shape[axis + 1] == size:
            continue
        shape = [1] * rank
        shape[axis] = size
        positions = np.arange(size).reshape(shape)
        site = mix(label[SITE], positions)
        label = np.stack([np.broadcast_to(label[LEG], site.shape), site, np.broadcast_to(label[NODE], site.shape)])
    return label


def _positions_from_sites(label: Label) -> Label:
    """Drop axes along which only the site varies, and for all units alike."""
    rank = label.ndim - 1
    idle = [a for a in range(rank) if label.shape[a + 1] > 1 and _is_constant(label[[LEG, NODE]], a + 1)]
    if not idle:
        return label
    first = tuple(slice(None) if a in idle else slice(0, 1) for a in range(rank))
    if not (label[SITE] == label[SITE][first]).all():
        return label
    keep = (slice(None), *(slice(0, 1) if a in idle else slice(None) for a in range(rank)))
    return retag(label[keep], -1)


def _is_constant(array: np.ndarray, axis: int) -> bool:
    return bool((array == array.take([0], axis=axis)).all())
