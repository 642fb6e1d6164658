"""Where one value meets many units: the key of all heads, a gain of all heads."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from wsgraph.trace.legs import LEG, Label
from wsgraph.trace.tracer import Tracer
from wsgraph.trace.value import Value, matching_axes, number_copies, span


def repeated_axes(value: Value) -> frozenset[int]:
    """Axes, counted from the end, along which a value is the same everywhere when it is broadcast."""
    return value.repeated | {i - len(value.shape) for i, n in enumerate(value.shape) if n == 1}


def is_shared(tracer: Tracer, wide: Label, parts: Label, same: Collection[int]) -> bool:
    """Whether units of ``wide`` have one value each, and meet several of the units ``parts``.

    Args:
        tracer: The trace.
        wide: Units of one side.
        parts: Units of the other side, of the same rank.
        same: Axes along which the values of ``wide`` are the same where its label does not vary.
    """
    rank = parts.ndim - 1
    if not span(wide) <= span(parts) | set(same) or not span(parts) - span(wide) <= set(same):
        return False
    if np.broadcast_shapes(wide.shape[1:], parts.shape[1:]) != parts.shape[1:] or rank == 0:
        return False
    met = _columns(wide[LEG], tracer.legs.data_site(wide), parts[LEG])
    num_wide, num_values, num_parts = (np.unique(met[:n], axis=1).shape[1] for n in (1, 2, 3))
    return num_wide == num_values < num_parts == len(np.unique(met[2]))


def parts_of_both(tracer: Tracer, wide: Label, whole: Label) -> Label:
    """Fresh legs for every unit of ``wide`` at every unit of ``whole``."""
    dims = np.broadcast_shapes(wide.shape[1:], whole.shape[1:])
    number = np.unique(_columns(whole[LEG], wide[LEG]), axis=1, return_inverse=True)[1].reshape(dims)
    legs = tracer.legs.new(int(number.max(initial=-1)) + 1)[number]
    site = np.broadcast_to(tracer.legs.data_site(wide), dims)
    return np.stack([legs, site, np.broadcast_to(wide[2], dims)])


def copied(tracer: Tracer, label: Label, repeated: Label) -> Label:
    """A label after its positions were repeated, with copies at sites of their own, known to have one value."""
    places = label.reshape(3, -1)
    numbered = number_copies(repeated)
    if np.unique(places, axis=1).shape[1] < places.shape[1]:
        return numbered
    return tracer.legs.note_copies(repeated, numbered)


def with_copies(tracer: Tracer, label: Label, value: Value, shape: Sequence[int]) -> Label:
    """The label of an expanded value, with a position for each copy that its new shape puts beside other units."""
    dims, position = list(label.shape[1:]), 0
    for old, _ in matching_axes(value.shape, shape):
        axes = range(position, position + len(old))
        position += len(old)
        if any(dims[a] > 1 for a in axes):
            for a in axes:
                dims[a] = value.shape[a] if a - len(value.shape) in value.repeated else dims[a]
    if tuple(dims) == label.shape[1:]:
        return label
    return copied(tracer, label, np.broadcast_to(label, (3, *dims)).copy())


def _columns(*arrays: np.ndarray) -> np.ndarray:
    return np.stack([a.reshape(-1) for a in np.broadcast_arrays(*arrays)])
