"""Arithmetic between values: sums join units and multipliers, products multiply them."""

from __future__ import annotations

from typing import Any

from wsgraph.trace.computed import computed, fresh, monomial
from wsgraph.trace.legs import LEG, Label
from wsgraph.trace.registry import rule
from wsgraph.trace.tracer import Tracer
from wsgraph.trace.value import Value, full_axes, meets, with_node


def joined(tracer: Tracer, args: list[Any], kwargs: dict[str, Any]) -> Value:
    """An elementwise operator of several operands without a rule of its own: units join, scales go."""
    label, args = align(tracer, args)
    if label is None:
        return tracer.result()
    for value in labelled(tracer, args, label):
        tracer.legs.restrict(value)
        tracer.legs.relate(value, label)
    return computed(tracer, label, args, kwargs)


@rule("add", "sub", "maximum", "minimum", "fmax", "fmin", "rsub")
def add(tracer: Tracer, *given: Any, **kwargs: Any) -> Value:
    """Sums and maxima: equal multipliers on both sides."""
    label, args = align(tracer, given)
    if label is None:
        return tracer.result()
    sides = [_label_like(tracer, a, label) if isinstance(a, Value) else None for a in args[:2]]
    if any(side is None and (isinstance(a, Value) or a != 0) for a, side in zip(args, sides, strict=False)):
        tracer.legs.restrict(label)
    if tracer.operator in ("maximum", "minimum", "fmax", "fmin"):
        tracer.legs.restrict(label, magnitude=True)
    for side in sides:
        if side is not None:
            tracer.legs.equal(side, label)
    vector = _vector_operand(args, sides)
    if tracer.operator == "add" and vector is not None and kwargs.get("alpha", 1) == 1:
        return biased(tracer, label, *vector)
    return computed(tracer, label, args, kwargs)


def biased(tracer: Tracer, label: Label, tensor: str, legs: Label) -> Value:
    """A parameter with an entry for each unit, added: the bias of a diagonal of ones."""
    node = tracer.add_node("linear", label[LEG])
    result = with_node(label, node)
    tracer.use("operand", node, None, label, result, label)
    tracer.use("bias", node, tensor, legs, result)
    return tracer.result(result)


def diagonal(tracer: Tracer, label: Label, product: Label, tensor: str, legs: Label) -> Value:
    """A parameter with an entry for each unit, multiplied: a diagonal linear map."""
    node = tracer.add_node("linear", product[LEG])
    result = with_node(product, node)
    tracer.use("weight", node, tensor, legs, result, label)
    return tracer.result(result)


@rule("mul", "div", "divide", "multiply")
def multiply(tracer: Tracer, *given: Any, **kwargs: Any) -> Value:
    """Products and quotients: multipliers multiply and divide."""
    if kwargs.get("rounding_mode") is not None:
        return joined(tracer, list(given), kwargs)
    if not all(isinstance(a, Value) for a in given[:2]):
        return scaled(tracer, given[0], given[1], given, kwargs)
    label, args = align(tracer, given)
    if label is None:
        return tracer.result()
    power = -1 if tracer.operator in ("div", "divide") else 1
    sides = [_label_like(tracer, v, label) for v in args[:2]]
    present = [(side, -p) for side, p in zip(sides, (1, power), strict=True) if side is not None]
    if len(present) == 1 and present[0][1] == -1:
        return computed(tracer, label, args, kwargs)
    product = fresh(tracer, label)
    columns = [side for side, _ in present]
    tracer.legs.relate(product, *columns, magnitude=(1, *(p for _, p in present)), sign=(1,) * (len(present) + 1))
    vector = _vector_operand(args, sides)
    if power == 1 and vector is not None:
        return diagonal(tracer, label, product, *vector)
    return computed(tracer, product, args, kwargs)


def scaled(tracer: Tracer, x: Any, y: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Value:
    """A product with a number, or a quotient of one."""
    value = x if isinstance(x, Value) else y
    if value.label is None:
        return tracer.result()
    if x is not value and tracer.operator.startswith("div"):
        return monomial(tracer, value, (x, y), magnitude=(1, 1), sign=(1, 1))
    return computed(tracer, value.label, list(args), kwargs)


def align(tracer: Tracer, args: Any) -> tuple[Label | None, list[Any]]:
    """The label of a broadcast result (None if nothing has units), and the arguments with units where they meet.

    Values whose units lie elsewhere are pinned; data that differ from unit to unit become fixed units, which pins.
    """
    values = [a for a in args if isinstance(a, Value) and a.label is not None]
    if not values:
        tracer.pin([a for a in args if isinstance(a, Value)], "no rule for arithmetic among parameters")
        return None, list(args)
    main = max(values, key=lambda v: (len(full_axes(v.units)), len(v.shape)))
    for value in values:
        if not meets(value.units, main.units):
            tracer.pin([value], "its units lie along other axes than those of the value it meets")
    aligned = [_with_fixed_units(tracer, a, main) if isinstance(a, Value) else a for a in args]
    return main.units.reshape(3, *[1] * (len(tracer.shape) + 1 - main.units.ndim), *main.units.shape[1:]), aligned


def _with_fixed_units(tracer: Tracer, value: Value, main: Value) -> Value:
    """Data that differ along the units of ``main``, with units there; any other value as it is."""
    axes = _axes_met(value, main.units)
    if value.labels or value.is_parameter or not axes:
        return value
    tracer.pin([main], "it meets numbers that differ from unit to unit")
    return tracer.units_along(value, axes[0]) if len(axes) == 1 else value


def labelled(tracer: Tracer, args: Any, label: Label) -> list[Label]:
    """Labels of all operands that have units where ``label`` has."""
    found = [_label_like(tracer, a, label) for a in args if isinstance(a, Value)]
    return [f for f in found if f is not None]


def _label_like(tracer: Tracer, value: Value, label: Label) -> Label | None:
    if value.label is not None:
        return value.label if meets(value.label, label) else None
    if not value.is_parameter:
        return None
    axes = _axes_met(value, label)
    if len(axes) != 1:
        tracer.pin([value], "a parameter that meets units along no axis of its own, or along several")
        return None
    return tracer.axis(value, axes[0])


def _axes_met(value: Value, label: Label) -> list[int]:
    """Axes of the units of ``label`` along which the value has entries of its own."""
    return [a for a in full_axes(label) if -a <= len(value.shape) and value.shape[a] > 1]


def _vector_operand(args: Any, sides: list[Label | None]) -> tuple[str, Label] | None:
    """The tensor and legs of the one operand that is a parameter, if the other is a computed value."""
    found = [(a.tensor, side) for a, side in zip(args, sides, strict=False) if side is not None and a.is_parameter]
    if len(found) != 1 or sum(side is not None for side in sides) != 2:
        return None
    return found[0]
