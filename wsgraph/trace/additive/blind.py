"""Arrays that may be added to a value and that nothing behind it notices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from wsgraph.trace.legs import Ints
from wsgraph.trace.value import matching_axes

MAX_FAMILY = 16
"""More spaces of arrays than that are not kept for one value."""


@dataclass(frozen=True, eq=False)
class Blind:
    """A linear space of arrays: what is added is equal on indices of one class, axis by axis, and 0 on the class -1.

    Attributes:
        labels: The class of each index of each axis; classes are numbered as they first appear.
        holes: Whether entries that are -∞ need not get what the others get.
        read: Whether some operator that reads the value removes what is added; False for entries that nothing reads.
    """

    labels: tuple[Ints, ...]
    holes: bool = False
    read: bool = True

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the value."""
        return tuple(len(label) for label in self.labels)

    def at(self, axis: int, label: Ints) -> Blind:
        """The same with other classes along one axis."""
        axis %= len(self.labels)
        return replace(self, labels=(*self.labels[:axis], label, *self.labels[axis + 1 :]))

    def within(self, other: Blind) -> bool:
        """Whether all of these arrays are among the others, and mean no less there."""
        if self.holes > other.holes or self.read > other.read:
            return False
        return all(np.array_equal(joined(a, b), a) for a, b in zip(self.labels, other.labels, strict=True))


Family = list[Blind]
"""Sums of arrays of several spaces."""


def anything(shape: Sequence[int]) -> Blind:
    """All arrays, for a value that nothing reads."""
    return Blind(tuple(np.arange(n) for n in shape), True, False)


def constant_along(shape: Sequence[int], axes: Iterable[int], holes: bool = False) -> Blind:
    """Arrays that do not vary along some axes."""
    dims = {axis % len(shape) for axis in axes}
    return Blind(tuple(np.zeros(n, dtype=np.int64) if a in dims else np.arange(n) for a, n in enumerate(shape)), holes)


def is_free(label: Ints) -> bool:
    """Whether every index is a class of its own."""
    return bool((label == np.arange(len(label))).all())


def is_whole(label: Ints) -> bool:
    """Whether nothing has to be 0."""
    return bool((label >= 0).all())


def numbered(label: Ints) -> Ints:
    """The classes in the order of their first appearance, -1 as it is."""
    kinds, first, inverse = np.unique(label, return_index=True, return_inverse=True)
    rank = np.empty(len(kinds), dtype=np.int64)
    order = np.argsort(np.where(kinds < 0, -1, first), kind="stable")
    rank[order] = np.arange(len(kinds)) - int(bool((kinds < 0).any()))
    return rank[inverse.reshape(-1)]


def singles(label: Ints) -> Ints:
    """The classes of one index; 0 has to be added to all others."""
    kinds, inverse, counts = np.unique(label, return_inverse=True, return_counts=True)
    return numbered(np.where(counts[inverse] > 1, -1, label)) if len(kinds) < len(label) else label


def joined(a: Ints, b: Ints) -> Ints:
    """Classes of indices that are in one class by either."""
    if is_free(a) or is_free(b):
        return b if is_free(a) else a
    kinds = np.unique(a, return_inverse=True)[1]
    label = linked(kinds, numbered(b) + 1)[kinds]
    still = np.isin(label, label[(a < 0) | (b < 0)])
    return numbered(np.where(still, -1, label))


def linked(first: Ints, second: Ints) -> Ints:
    """Numbers of the sets of values of ``first`` that values of ``second`` beside them link, ``[max(first) + 1]``."""
    found = np.arange(int(first.max(initial=-1)) + 1)
    while True:
        least = np.full(int(second.max(initial=-1)) + 1, len(found))
        np.minimum.at(least, second, found[first])
        new = found.copy()
        np.minimum.at(new, first, least[second])
        new = new[new]
        if (new == found).all():
            return found
        found = new


def both(first: Family, second: Family) -> Family:
    """The arrays that are in both of two families."""
    return kept(met for a in first for b in second if (met := _met(a, b)) is not None)


def _met(a: Blind, b: Blind) -> Blind | None:
    labels = tuple(joined(x, y) for x, y in zip(a.labels, b.labels, strict=True))
    return useful(Blind(labels, a.holes and b.holes, a.read or b.read))


def useful(blind: Blind) -> Blind | None:
    """The space, unless it has only 0."""
    return None if any(len(label) and label.max() < 0 for label in blind.labels) else blind


def kept(blinds: Iterable[Blind | None]) -> Family:
    """Those that none of the others has inside."""
    found: Family = []
    for blind in blinds:
        if blind is not None and not any(blind.within(other) for other in found):
            found = [*(other for other in found if not other.within(blind)), blind]
    return found[:MAX_FAMILY]


def narrowed(blind: Blind, shape: Sequence[int]) -> Blind | None:
    """What may be added to a value of this shape that is broadcast."""
    lead, labels = len(blind.labels) - len(shape), []
    for axis, label in enumerate(blind.labels):
        size = shape[axis - lead] if axis >= lead else 1
        if size != len(label) and not is_whole(label):
            return None
        if axis >= lead:
            labels.append(label if size == len(label) else np.zeros(size, dtype=np.int64))
    return replace(blind, labels=tuple(labels))


def times(blind: Blind, other: Sequence[int]) -> Blind | None:
    """What may be added to a value of the same shape before it is multiplied by one of another shape."""
    lead = len(blind.labels) - len(other)
    labels = (
        singles(label) if axis >= lead and other[axis - lead] > 1 else label for axis, label in enumerate(blind.labels)
    )
    return useful(replace(blind, labels=tuple(labels), holes=False))


def reshaped(blind: Blind, old: Sequence[int]) -> Blind | None:
    """What may be added to a value of shape ``old`` before it is reshaped."""
    labels: list[Ints] = []
    position = 0
    for old_part, new_part in matching_axes(old, blind.shape):
        own = blind.labels[position : position + len(new_part)]
        position += len(new_part)
        if all(is_free(label) for label in own):
            labels += [np.arange(n) for n in old_part]
            continue
        parts = _apart(combined(own).reshape(old_part))
        if parts is None:
            return None
        labels += parts
    return useful(replace(blind, labels=tuple(labels)))


def combined(labels: Sequence[Ints]) -> Ints:
    """The classes of pairs (or more) of indices, as those of one axis."""
    flat = np.zeros(1, dtype=np.int64)
    for label in labels:
        pairs = flat[:, None] * (int(label.max(initial=0)) + 1) + label
        flat = np.where((flat[:, None] < 0) | (label < 0), -1, pairs).reshape(-1)
    return numbered(flat)


def _apart(classes: Ints) -> list[Ints] | None:
    """Classes along each axis that are at least as large as those of the entries, or None."""
    rank, found = classes.ndim, []
    if rank == 1:
        return [classes]
    still = [np.all(classes < 0, axis=tuple(b for b in range(rank) if b != a)) for a in range(rank)]
    gone = np.zeros(classes.shape, dtype=bool)
    for axis, zeros in enumerate(still):
        gone |= zeros.reshape([-1 if b == axis else 1 for b in range(rank)])
    if (classes[~gone] < 0).any():
        return None
    index = np.nonzero(~gone)
    for axis, zeros in enumerate(still):
        label = np.arange(classes.shape[axis])
        sets = linked(index[axis], classes[~gone])
        label[: len(sets)] = sets
        found.append(numbered(np.where(zeros, -1, label)))
    return found
