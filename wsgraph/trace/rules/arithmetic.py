"""Arithmetic between values: sums join units and multipliers, products multiply them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from wsgraph.trace.computed import as_parameter, computed, fresh, monomial
from wsgraph.trace.legs import LEG, NODE, Ints, Label
from wsgraph.trace.registry import rule
from wsgraph.trace.tracer import Tracer
from wsgraph.trace.value import Value, raised, span, with_node

MAXIMA = ("maximum", "minimum", "fmax", "fmin")
QUOTIENTS = ("div", "divide", "true_divide")


@rule("add", "sub", "subtract", "rsub", *MAXIMA)
def add(tracer: Tracer, x: Any, y: Any, *more: Any, **kwargs: Any) -> Value:
    """Sums and maxima: equal multipliers on both sides."""
    args = opened_together(tracer, x, y)
    labels = summed(tracer, *args)
    if tracer.operator in MAXIMA:
        for label in labels:
            tracer.legs.restrict(label, magnitude=True)
    if not labels:
        return _unlabelled(tracer, args)
    vector = _vector(args) if tracer.operator == "add" and kwargs.get("alpha", 1) == 1 and not more else None
    return computed(tracer, labels, [*args, *more], kwargs) if vector is None else biased(tracer, labels, *vector)


@rule("where")
def where(tracer: Tracer, condition: Value, x: Any, y: Any) -> Value:
    """One of two values at each place: equal multipliers on both sides."""
    if condition.labels:
        return joined(tracer, [condition, x, y], {})
    args = opened_together(tracer, x, y)
    labels = summed(tracer, *args)
    for label in labels:
        _meets_data(tracer, label, condition, keeps_multiplier=True)
    return computed(tracer, labels, [condition, *args], {}) if labels else _unlabelled(tracer, args)


def opened_together(tracer: Tracer, x: Any, y: Any) -> list[Any]:
    """Two sides with labels; a stored tensor has one label for all axes along which the other side has one."""
    return [_opened_like(tracer, a, b) if isinstance(a, Value) else a for a, b in ((x, y), (y, x))]


def _opened_like(tracer: Tracer, value: Value, other: Any) -> Value:
    if not value.is_raw or not isinstance(other, Value):
        return tracer.opened(value)
    rank = len(value.shape)
    groups, left = [], [a for a, n in enumerate(value.shape) if n > 1]
    for label in other.labels:
        group = tuple(a for a in left if a - rank in span(label))
        left = [a for a in left if a not in group]
        groups += [group] if group else []
    return tracer.opened_jointly(value, [*groups, *((a,) for a in left)])


def summed(tracer: Tracer, a: Any, b: Any) -> list[Label]:
    """The labels of a sum (or of anything that needs equal multipliers on both sides)."""
    a, b = _labels(tracer, a), _labels(tracer, b)
    labels: list[Label] = []
    partners = _partners(a[0], b[0])
    for x, y in partners:
        if x is None or y is None:
            lone, other, opposite = (x, *b[::-1]) if y is None else (y, *a[::-1])
            assert lone is not None
            if _is_position(tracer, lone, other, opposite):
                continue
            _meets_data(tracer, lone, other, keeps_multiplier=_is_zero(other))
            labels.append(lone)
        elif span(x) == span(y):
            tracer.legs.equal(x, y)
            labels.append(x)
        else:
            part, whole, other = (x, y, b[1]) if span(y) < span(x) else (y, x, a[1])
            _meets_copies(tracer, part, whole, other)
            tracer.legs.nest(part, parent=whole, magnitude=(1, -1), sign=(1, 1))
            labels.append(part)
    return labels


@rule("mul", "multiply", *QUOTIENTS)
def multiply(tracer: Tracer, *given: Any, **kwargs: Any) -> Value:
    """Products and quotients: multipliers multiply and divide."""
    if kwargs.get("rounding_mode") is not None:
        return joined(tracer, list(given), kwargs)
    if not all(isinstance(a, Value) for a in given[:2]):
        return scaled(tracer, given[0], given[1], given, kwargs)
    x, y = opened_together(tracer, *given[:2])
    if x.is_zero or y.is_zero:
        return replace(tracer.result(), is_zero=True)
    labels = multiplied(tracer, x, y, power=-1 if tracer.operator in QUOTIENTS else 1)
    if not labels:
        return _unlabelled(tracer, [x, y])
    vector = _vector([x, y])
    if tracer.operator not in QUOTIENTS and vector is not None:
        return diagonal(tracer, x if y.is_parameter else y, labels, *vector)
    return computed(tracer, labels, [x, y], kwargs)


def multiplied(tracer: Tracer, x: Value, y: Value, power: int = 1) -> list[Label]:
    """The labels of a product (of a quotient, with power -1)."""
    a, b = _labels(tracer, x), _labels(tracer, y)
    labels: list[Label] = []
    for p, q in _partners(a[0], b[0]):
        if p is None or q is None:
            lone, other, opposite = (p, *b[::-1]) if q is None else (q, *a[::-1])
            assert lone is not None
            if _is_position(tracer, lone, other, opposite):
                continue
            _meets_data(tracer, lone, other, keeps_multiplier=True)
            inverted = p is None and power == -1
            labels.append(_inverse(tracer, lone) if inverted else lone)
        else:
            part = p if span(q) <= span(p) else q
            product = fresh(tracer, part)
            if span(p) == span(q):
                tracer.legs.relate(product, p, q, magnitude=(1, -1, -power), sign=(1, 1, 1))
            else:
                whole, other = (q, b[1]) if part is p else (p, a[1])
                _meets_copies(tracer, part, whole, other)
                powers = (1, -1, -power) if part is p else (1, -power, -1)
                tracer.legs.nest(product, part, parent=whole, magnitude=powers, sign=(1, 1, 1))
            labels.append(product)
    return labels


def scaled(tracer: Tracer, x: Any, y: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Value:
    """A product with a number, or a quotient of one."""
    value = tracer.opened(x if isinstance(x, Value) else y)
    if x is not y and not isinstance(x, Value) and tracer.operator in QUOTIENTS:
        return monomial(tracer, value, (x, value), magnitude=(1, 1), sign=(1, 1))
    return computed(tracer, value.labels, [value if isinstance(a, Value) else a for a in args], kwargs)


def joined(tracer: Tracer, args: Sequence[Any], kwargs: dict[str, Any]) -> Value:
    """An elementwise operator of several operands without a rule of its own: units join, scales go."""
    opened = [tracer.opened(a) if isinstance(a, Value) else a for a in args]
    values = [a for a in opened if isinstance(a, Value)]
    for value in values:
        for label in value.labels:
            tracer.legs.restrict(label)
    total = values[0]
    for value in values[1:]:
        shape = np.broadcast_shapes(total.shape, value.shape)
        total = Value(shape, tuple(raised(lab, len(shape)) for lab in summed(tracer, total, value)), name=tracer.call)
    results = [fresh(tracer, label) for label in total.labels]
    for result, label in zip(results, total.labels, strict=True):
        tracer.legs.restrict(result)
        tracer.legs.relate(result, label)
    return computed(tracer, results, opened, kwargs)


def biased(tracer: Tracer, labels: Sequence[Label], x: Value, tensor: str, legs: Label, met: Label) -> Value:
    """A parameter with an entry for each unit, added: the bias of a diagonal of ones."""
    node = tracer.add_node("linear", np.concatenate([label[LEG].reshape(-1) for label in labels]))
    result = tracer.result(*(with_node(label, node) for label in labels))
    for label in x.labels:
        best = next((r for r in result.labels if span(r) == span(label)), None)
        if best is not None:
            tracer.operand(node, label, best)
    tracer.use("bias", node, tensor, legs, next(r for r in result.labels if span(r) == span(met)))
    return result


def diagonal(
    tracer: Tracer, x: Value, labels: Sequence[Label], _: Value, tensor: str, legs: Label, met: Label
) -> Value:
    """A parameter with an entry for each unit, multiplied: a diagonal linear map."""
    node = tracer.add_node("linear", np.concatenate([label[LEG].reshape(-1) for label in labels]))
    result = tracer.result(*(with_node(label, node) for label in labels))
    target = next(r for r in result.labels if span(r) == span(met))
    tracer.use("weight", node, tensor, legs, target, met)
    for label in x.labels:
        if label is not met and any(span(r) == span(label) for r in result.labels):
            tracer.operand(node, label, next(r for r in result.labels if span(r) == span(label)))
    return result


def _labels(tracer: Tracer, side: Any) -> tuple[tuple[Label, ...], Any]:
    """The labels of one side, for the rank of the result, and the side."""
    rank = len(tracer.shape) if not isinstance(tracer.shape, list) else 0
    if not isinstance(side, Value):
        return (), side
    return tuple(raised(label, max(rank, label.ndim - 1)) for label in side.labels), side


def _partners(a: tuple[Label, ...], b: tuple[Label, ...]) -> list[tuple[Label | None, Label | None]]:
    """Labels of two sides that meet: of equal span, or one within the other; the others alone."""
    pairs: list[tuple[Label | None, Label | None]] = []
    left, right = list(a), list(b)
    for fits in (lambda p, q: p == q, lambda p, q: p < q or q < p):
        for x in list(left):
            y = next((y for y in right if fits(span(x), span(y))), None)
            if y is not None:
                pairs.append((x, y))
                left = [z for z in left if z is not x]
                right = [z for z in right if z is not y]
    return [*pairs, *((x, None) for x in left), *((None, y) for y in right)]


def _is_zero(other: Any) -> bool:
    return other.is_zero if isinstance(other, Value) else other == 0


def _is_position(tracer: Tracer, label: Label, other: Any, opposite: Sequence[Label]) -> bool:
    """Whether indices meet units of another kind, or (those of a parameter) positions or nothing: then they stay."""
    crossing = [lab for lab in opposite if span(lab) & span(label)]
    if not crossing:
        if not (label[NODE] == -1).all():
            return False
        if span(label) and not (isinstance(other, Value) and _places(other, label) is not None):
            return False
    for lab in (label, *crossing):
        tracer.legs.pin(lab)
    return True


def _meets_data(tracer: Tracer, label: Label, other: Any, keeps_multiplier: bool) -> None:
    """Units meet numbers: the same for all of them, or others for each."""
    if not keeps_multiplier:
        tracer.legs.restrict(label)
    places = _places(other, label) if isinstance(other, Value) else None
    if places is not None and not other.is_zero:
        tracer.legs.hold(label, places)


def _meets_copies(tracer: Tracer, part: Label, whole: Label, other: Value) -> None:
    """Parts of a unit meet its value at several places, where its entries differ: then the parts keep their places."""
    rank = part.ndim - 1
    own = [a for a in span(part) - span(whole) - other.repeated if -a <= len(other.shape)]
    axes = [a for a in own if other.shape[a] > 1]
    if axes and not other.is_zero:
        dims = [part.shape[1:][a] if a - rank in axes else 1 for a in range(rank)]
        tracer.legs.hold(part, np.arange(int(np.prod(dims))).reshape(dims))


def _places(other: Value, label: Label) -> Ints | None:
    """A number for each place along the label's axes where the other value has entries of its own; None if nowhere."""
    rank = label.ndim - 1
    axes = [a for a in span(label) if -a <= len(other.shape) and other.shape[a] > 1]
    if not axes:
        return None
    dims = [label.shape[1:][a] if a - rank in axes else 1 for a in range(rank)]
    return np.arange(int(np.prod(dims))).reshape(dims)


def _inverse(tracer: Tracer, label: Label) -> Label:
    result = fresh(tracer, label)
    tracer.legs.relate(result, label, magnitude=(1, 1), sign=(1, 1))
    return result


def _unlabelled(tracer: Tracer, args: Sequence[Any]) -> Value:
    values = [a for a in args if isinstance(a, Value)]
    result = tracer.result()
    if values and all(a.is_parameter for a in values):
        return as_parameter(tracer, result, values)
    return replace(result, is_zero=False)


def _vector(args: Sequence[Any]) -> tuple[Value, str, Label, Label] | None:
    """The computed value, tensor, legs and met label, where a stored parameter meets a value along its units."""
    if not all(isinstance(a, Value) for a in args[:2]):
        return None
    for x, y in (args[:2], args[1::-1]):
        if y.tensor is not None and not x.is_parameter and x.labels and len(y.labels) == 1:
            (legs,) = y.labels
            met = next((lab for lab in x.labels if span(lab) == span(legs)), None)
            if met is not None:
                return x, y.tensor, legs, met
    return None
