"""Sums of products over shared axes: what matrix products, scalar products and attention do to units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from wsgraph.trace.computed import as_parameter, fresh, read
from wsgraph.trace.legs import LEG, NODE, Label
from wsgraph.trace.sharing import copied, is_shared, parts_of_both, repeated_axes
from wsgraph.trace.tracer import Tracer, make_label
from wsgraph.trace.value import NotCovered, Value, moved, number_copies, span

Letters = Sequence[str]


def contract(tracer: Tracer, a: Value, b: Value, left: Letters, right: Letters, out: Letters) -> Value:
    """The einsum ``left, right -> out`` of two values.

    Units that are summed over in pairs have multipliers whose product is that of the result; where they differ from
    place to place (head by head), they are parts of the larger units that the result has there.
    """
    everything = list(dict.fromkeys([*left, *right]))
    a, b = (_opened(tracer, v, own, out) for v, own in ((a, left), (b, right)))
    if not a.labels and b.is_parameter:
        a = _with_units(tracer, a, left, right, out)
    sides = [_spread(v, own, everything) for v, own in ((a, left), (b, right))]
    same = [_everywhere(v, own, everything) for v, own in ((a, left), (b, right))]
    summed = {i - len(everything) for i, letter in enumerate(everything) if letter not in out}
    sizes = {**dict(zip(left, a.shape, strict=True)), **dict(zip(right, b.shape, strict=True))}
    for side, opposite, alike in zip(sides, sides[::-1], same[::-1], strict=True):
        places = [1 if a in alike else sizes[letter] for a, letter in enumerate(everything, -len(everything))]
        _tell_places_apart(tracer, side, opposite, places, summed)
    labels, pairs = _paired(tracer, sides, summed, same)
    for (side, opposite), others in zip((sides, sides[::-1]), (right, left), strict=True):
        for label in (lab for lab in side.labels if span(lab) & summed):
            _summed_alone(tracer, label, others, everything, summed, sizes, opposite.labels, labels)
    kept = [(lab, own) for side, own in zip(sides, same, strict=True) for lab in side.labels if not span(lab) & summed]
    labels = _combined(tracer, labels, kept)
    result = _read(tracer, Value(sides[0].shape, tuple(labels), name=tracer.call), sides, pairs, summed)
    result = replace(result, labels=tuple(_gathered(label, everything, out) for label in result.labels))
    return replace(result, shape=tuple(tracer.shape))


def _tell_places_apart(tracer: Tracer, side: Value, opposite: Value, sizes: Sequence[int], summed: set[int]) -> None:
    """Units that meet other entries of the opposite side from place to place, of which no label there tells, stay."""
    rank = len(sizes)
    told = {a for label in opposite.labels for a in span(label)}
    for label in side.labels:
        axes = [a for a in span(label) - summed - told if sizes[a] > 1]
        if axes and not opposite.is_zero:
            dims = [sizes[a] if a - rank in axes else 1 for a in range(rank)]
            tracer.legs.hold(label, np.arange(int(np.prod(dims))).reshape(dims))


def _opened(tracer: Tracer, value: Value, own: Letters, out: Letters) -> Value:
    """A stored tensor with one label for the axes that are summed over, and one for those that are not."""
    if not value.is_raw:
        return value
    axes = [i for i, n in enumerate(value.shape) if n > 1]
    groups = [tuple(i for i in axes if (own[i] in out) == kept) for kept in (True, False)]
    return tracer.opened_jointly(value, [group for group in groups if group])


def _with_units(tracer: Tracer, value: Value, own: Letters, other: Letters, out: Letters) -> Value:
    """Data whose entries along the one axis that is summed over are units."""
    shared = [i for i, letter in enumerate(own) if letter in other and letter not in out]
    return tracer.units_along(value, shared[0])[0] if len(shared) == 1 else value


def _read(
    tracer: Tracer, result: Value, sides: list[Value], pairs: list[tuple[Label, Label]], summed: set[int]
) -> Value:
    """The result in a node of its own: a linear map by a stored tensor, or a product."""
    if all(side.is_parameter for side in sides):
        return as_parameter(tracer, result, [replace(side, members=()) for side in sides])
    stored = next((side for side in sides if side.is_parameter), None)
    if stored is None:
        return read(tracer, result, [side for side in sides if side.labels], "product")
    other = next(side for side in sides if side is not stored)
    result = read(tracer, result, [] if pairs else [other], "linear")
    if stored.tensor is not None and result.labels:
        made = np.concatenate([label[LEG].reshape(-1) for label in result.labels])
        for out in (lab for lab in stored.labels if not span(lab) & summed and np.isin(lab[LEG], made).all()):
            for x, y in pairs:
                inner, source = (x, y) if any(x is lab for lab in stored.labels) else (y, x)
                tracer.weight(int(result.labels[0][NODE].flat[0]), stored.tensor, out, inner, source)
    return result


def _paired(
    tracer: Tracer, sides: list[Value], summed: set[int], same: list[frozenset[int]]
) -> tuple[list[Label], list[tuple[Label, Label]]]:
    """For every pair of labels that are summed over together, the label of what comes out of it; and the pairs."""
    found, pairs = [], []
    for x in sides[0].labels:
        partners = [y for y in sides[1].labels if span(y) & span(x) & summed]
        if not span(x) & summed or not partners:
            continue
        if len(partners) > 1 or span(x) & summed != span(partners[0]) & summed:
            raise NotCovered("a form that sums over axes with units of several kinds")
        (y,) = partners
        pairs.append((x, y))
        result = outer_legs(tracer, np.broadcast_shapes(x.shape[1:], y.shape[1:]), summed)
        if result.size == 3 and any(side.is_parameter and len(side.labels) > 1 for side in sides):
            tracer.legs.inverse(x, y)  # what is left of the multiplier is that of the parameter's other index
        else:
            computed = not any(side.is_parameter for side in sides)
            if computed and is_shared(tracer, y, x, same[1]):
                tracer.legs.share(x, wide=y, parent=result, magnitude=(1, 1, -1), sign=(1, 1, 1), linear=True)
            elif computed and is_shared(tracer, x, y, same[0]):
                tracer.legs.share(y, wide=x, parent=result, magnitude=(1, 1, -1), sign=(1, 1, 1), linear=True)
            else:
                tracer.legs.nest(x, y, parent=result, magnitude=(1, 1, -1), sign=(1, 1, 1), linear=True)
            found.append(result)
    return found, pairs


def _summed_alone(
    tracer: Tracer,
    label: Label,
    others: Letters,
    everything: list[str],
    summed: set[int],
    sizes: dict[str, int],
    opposite: Sequence[Label],
    labels: list[Label],
) -> None:
    """Units that are summed over beside numbers that are not units."""
    axes = span(label) & summed
    if any(span(y) & axes for y in opposite):
        return
    if any(everything[a] in others and sizes[everything[a]] > 1 for a in axes):
        tracer.legs.pin(label)
    labels.append(siblings(tracer, label, axes))


def siblings(tracer: Tracer, label: Label, axes: set[int] | frozenset[int]) -> Label:
    """The larger units of units that are summed along some axes, with the multiplier that all of them share."""
    result = outer_legs(tracer, label.shape[1:], axes)
    tracer.legs.nest(label, parent=result, magnitude=(1, -1), sign=(1, 1))
    return result


def outer_legs(tracer: Tracer, dims: Sequence[int], summed: set[int] | frozenset[int]) -> Label:
    """Fresh legs for every place along the axes (counted from the end) that are not summed."""
    rank = len(dims)
    outer = [1 if i - rank in summed else n for i, n in enumerate(dims)]
    return make_label(tracer.legs.new(int(np.prod(outer))).reshape(outer), -1)


def _combined(tracer: Tracer, labels: list[Label], others: list[tuple[Label, frozenset[int]]]) -> list[Label]:
    """The labels of a product, place by place, of what has these labels, with axes along which it is the same."""
    for label, same in others:
        partner = next((p for p in labels if span(p) <= span(label) or span(label) <= span(p)), None)
        if partner is None and labels:  # the same units at every place of the others
            partner = labels[0]
            label = _at_every_place(tracer, label, partner, same)
        if partner is None:
            labels = [*labels, label]
            continue
        part, whole = (label, partner) if span(partner) <= span(label) else (partner, label)
        if span(part) != span(whole) and is_shared(tracer, part, made := parts_of_both(tracer, part, whole), ()):
            tracer.legs.share(made, wide=part, parent=whole, magnitude=(1, -1, -1), sign=(1, 1, 1), linear=True)
            labels = [made if p is partner else p for p in labels]
            continue
        product = fresh(tracer, part)
        if span(part) == span(whole):
            tracer.legs.relate(product, part, whole, magnitude=(1, -1, -1), sign=(1, 1, 1))
        else:
            tracer.legs.nest(product, part, parent=whole, magnitude=(1, -1, -1), sign=(1, 1, 1), linear=True)
        labels = [product if p is partner else p for p in labels]
    return labels


def _at_every_place(tracer: Tracer, label: Label, other: Label, same: frozenset[int]) -> Label:
    """Copies of the units for every place of another label."""
    dims = np.broadcast_shapes(label.shape[1:], other.shape[1:])
    places = np.broadcast_to(label, (3, *dims)).copy()
    return copied(tracer, label, places) if span(other) - span(label) <= same else number_copies(places)


def _everywhere(value: Value, own: Letters, everything: list[str]) -> frozenset[int]:
    """The axes of a spread value, counted from the end, along which it is the same everywhere."""
    repeated, size = repeated_axes(value), len(everything)
    varied = [letter for axis, letter in enumerate(own, -len(own)) if axis not in repeated]
    return frozenset(i - size for i, letter in enumerate(everything) if letter not in varied)


def _spread(value: Value, own: Letters, everything: list[str]) -> Value:
    """The value with one axis for each letter."""
    order = sorted(range(len(own)), key=lambda i: everything.index(own[i]))
    sizes = dict(zip(own, value.shape, strict=True))

    def change(label: Label) -> Label:
        moved_ = label.transpose(0, *(i + 1 for i in order))
        dims = iter(moved_.shape[1:])
        return moved_.reshape(3, *(next(dims) if letter in own else 1 for letter in everything))

    return moved(value, change, [sizes.get(letter, 1) for letter in everything], value.name)


def _gathered(label: Label, everything: list[str], out: Letters) -> Label:
    """The label with the axes of the result."""
    kept = [i for i, letter in enumerate(everything) if letter in out]
    squeezed = label.reshape(3, *(label.shape[i + 1] for i in kept))
    letters = [everything[i] for i in kept]
    return squeezed.transpose(0, *(letters.index(letter) + 1 for letter in out))
