"""Putting values together: one after another, beside each other, into others, and with entries around them."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from wsgraph.trace.computed import as_parameter, read
from wsgraph.trace.legs import Label
from wsgraph.trace.registry import rule
from wsgraph.trace.rules.shape import other_copy, rearranged, take
from wsgraph.trace.tracer import Tracer
from wsgraph.trace.value import NotCovered, Value, moved, number_copies, span


@rule("cat", "concat", "concatenate")
def cat(tracer: Tracer, tensors: list[Value], dim: int = 0) -> Value:
    """Values one after another: along their units, or along an axis without a meaning (then the units join)."""
    tensors = [tracer.opened(t) for t in tensors if 0 not in t.shape]
    if not any(t.labels for t in tensors):
        return tracer.result()
    dim %= len(tracer.shape)
    along: list[Label] = []
    alone = all(t.is_parameter or t.is_zero for t in tensors) and any(t.is_parameter for t in tensors)
    if any(t.along(dim) for t in tensors) or not any(span(label) for t in tensors for label in t.labels):
        pairs = [(t, t.along(dim)[0]) if alone and t.along(dim) else tracer.units_along(t, dim) for t in tensors]
        tensors, along = [value for value, _ in pairs], [label for _, label in pairs]
    rest = [[lab for lab in t.labels if not any(lab is a for a in along)] for t in tensors]
    labels = _joined(tracer, rest, tensors)
    if along:
        labels.append(_chained(along, dim))
    result = tracer.result(*labels)
    if alone:
        return replace(as_parameter(tracer, result, tensors), members=())
    return result if along else read(tracer, result, tensors, "pointwise")


def _joined(tracer: Tracer, sides: list[list[Label]], tensors: list[Value]) -> list[Label]:
    """Labels that the values have beside those along which they are put together: they join where all have them."""
    if any(span(a) & span(b) for t in tensors for a, b in combinations(t.labels, 2)):
        raise NotCovered("a form in which an axis has units of two kinds")
    labels: list[Label] = []
    for label in (lab for side in sides for lab in side):
        known = next((k for k in labels if span(k) == span(label)), None)
        if known is None:
            labels.append(label)
        elif known is not label:
            tracer.legs.equal(known, label)
    for label in labels:
        for side, value in zip(sides, tensors, strict=True):
            if not any(span(s) == span(label) for s in side) and not value.is_zero:
                tracer.legs.restrict(label)
                if any(value.shape[a] > 1 for a in span(label)):
                    tracer.legs.pin(label)
    return labels


def _chained(labels: list[Label], dim: int) -> Label:
    """Labels one after another along an axis."""
    dims = np.broadcast_shapes(*((*lab.shape[1 : dim + 1], 1, *lab.shape[dim + 2 :]) for lab in labels))
    wide = [np.broadcast_to(lab, (3, *dims[:dim], lab.shape[dim + 1], *dims[dim + 1 :])) for lab in labels]
    return number_copies(np.concatenate(wide, axis=dim + 1))


@rule("stack")
def stack(tracer: Tracer, tensors: list[Value], dim: int = 0) -> Value:
    """Values beside each other along a new axis."""
    dim %= len(tracer.shape)
    lifted = []
    for value in tensors:
        shape = (*value.shape[:dim], 1, *value.shape[dim:])
        lifted.append(
            rearranged(tracer, tracer.opened(value), lambda label: np.expand_dims(label, dim + 1), shape=shape)
        )
    return cat(tracer, lifted, dim)


@rule("constant_pad_nd", "pad", "reflection_pad1d", "reflection_pad2d", "replication_pad1d", "replication_pad2d")
def pad(tracer: Tracer, x: Value, padding: list[int], mode: Any = "constant", value: float | None = None) -> Value:
    """Entries around axes without a meaning; zeros and copies keep every multiplier, other numbers end it."""
    x = tracer.opened(x)
    number = mode if isinstance(mode, int | float) else (value or 0.0)
    touched = [len(x.shape) - 1 - i // 2 for i, n in enumerate(padding) if n]
    if any(x.along(a) for a in touched):
        return _padded_units(tracer, x, padding, float(number))
    if number != 0:
        for label in x.labels:
            tracer.legs.restrict(label)
    result = rearranged(tracer, x, lambda label: other_copy(tracer, label))
    return result if result.is_parameter else read(tracer, result, [x], "pointwise")


def _padded_units(tracer: Tracer, x: Value, padding: list[int], number: float) -> Value:
    """Units with others before or after them that do not move."""
    pieces = x
    for i in range(0, len(padding), 2):
        axis = len(x.shape) - 1 - i // 2
        sides: list[Value] = []
        for count in padding[i : i + 2]:
            shape = (*pieces.shape[:axis], count, *pieces.shape[axis + 1 :])
            sides.append(Value(shape, is_zero=number == 0, name=f"{tracer.call}.{axis}.{len(sides)}"))
        if min(padding[i : i + 2]) < 0:
            raise NotCovered("a form that cuts units off")
        parts = [p for p in (sides[0], pieces, sides[1]) if p.shape[axis]]
        if len(parts) > 1:
            whole, tracer.shape = (
                tracer.shape,
                tuple(sum(p.shape[a] for p in parts) if a == axis else n for a, n in enumerate(pieces.shape)),
            )
            pieces = cat(tracer, parts, axis)
            tracer.shape = whole
    return pieces


@rule("slice_scatter")
def slice_scatter(
    tracer: Tracer,
    x: Value,
    source: Value,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Value:
    """The value with other numbers in a range of one axis: what is before it, these, and what is after."""
    if step != 1:
        raise NotCovered("a form with gaps")
    first, last, _ = slice(start, end).indices(x.shape[dim])
    before, after = (take(tracer, x, dim, part) for part in (slice(0, first), slice(last, None)))
    return cat(tracer, [before, source, after], dim)


@rule("select_scatter")
def select_scatter(tracer: Tracer, x: Value, source: Value, dim: int, index: int) -> Value:
    """The value with other numbers at one place of one axis."""
    dim, index = dim % len(x.shape), index % x.shape[dim]
    shape = (*source.shape[:dim], 1, *source.shape[dim:])
    source = moved(tracer.opened(source), lambda label: np.expand_dims(label, dim + 1), shape, source.name)
    return slice_scatter(tracer, x, source, dim, index, index + 1)
