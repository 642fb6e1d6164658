"""Elementwise operators: which scales pass through them."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from wsgraph.space import Pointwise
from wsgraph.trace.legs import LEG, Label
from wsgraph.trace.registry import rule
from wsgraph.trace.tracer import Tracer
from wsgraph.trace.value import Value, full_axes, with_node

LINEAR = ("neg", "clone", "positive")
HOMOGENEOUS = ("relu", "leaky_relu", "rrelu")
ODD = (
    *("tanh", "sin", "tan", "asin", "arcsin", "atan", "arctan", "sinh", "asinh", "arcsinh", "atanh", "arctanh"),
    *("erf", "erfinv", "hardshrink", "softshrink", "round", "trunc", "fix"),
)


def passes(operator: str, constants: list[Any]) -> tuple[bool, bool]:
    """Whether an elementwise function of one argument commutes with positive multipliers, and with signs."""
    if operator in LINEAR:
        return True, True
    if operator in HOMOGENEOUS:
        return True, False
    if operator in ("hardtanh", "clamp"):
        return _clamp_passes(*constants)
    return False, operator in ODD


def _clamp_passes(low: float | None = -1.0, high: float | None = 1.0) -> tuple[bool, bool]:
    low, high = -inf if low is None else low, inf if high is None else high
    return {low, high} <= {0, inf, -inf}, low == -high


@rule("hardswish", "log_sigmoid", "rrelu", "hardtanh")
def elementwise(tracer: Tracer, *args: Any, **kwargs: Any) -> Value:
    """Any elementwise operator. One without an entry in the tables above lets permutations through, and no scale."""
    operands = [a for a in args if isinstance(a, Value)]
    if len(operands) != 1 or operands[0].is_parameter:
        return joined(tracer, list(args), kwargs)
    (x,) = operands
    if x.label is None:
        return tracer.result()
    magnitude, sign = passes(tracer.operator, [a for a in args if not isinstance(a, Value)])
    tracer.legs.restrict(x.label, magnitude, sign)
    return computed(tracer, x.label, list(args), kwargs)


def joined(tracer: Tracer, args: list[Any], kwargs: dict[str, Any]) -> Value:
    """An elementwise operator of several operands without a rule of its own: units join, scales go."""
    label = align(tracer, [a for a in args if isinstance(a, Value)])
    if label is None:
        return tracer.result()
    for value in labelled(tracer, args, label):
        tracer.legs.restrict(value)
        tracer.legs.relate(value, label)
    return computed(tracer, label, args, kwargs)


@rule("add", "sub", "maximum", "minimum", "fmax", "fmin", "rsub")
def add(tracer: Tracer, *args: Any, **kwargs: Any) -> Value:
    """Sums and maxima: equal multipliers on both sides."""
    label = align(tracer, args)
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
    return computed(tracer, label, list(args), kwargs)


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
def multiply(tracer: Tracer, *args: Any, **kwargs: Any) -> Value:
    """Products and quotients: multipliers multiply and divide."""
    x, y = args[:2]
    if kwargs.get("rounding_mode") is not None:
        return joined(tracer, list(args), kwargs)
    if not isinstance(y, Value) or not isinstance(x, Value):
        return scaled(tracer, x, y, args, kwargs)
    label = align(tracer, args)
    if label is None:
        return tracer.result()
    power = -1 if tracer.operator in ("div", "divide") else 1
    sides = [_label_like(tracer, v, label) for v in (x, y)]
    present = [(side, -p) for side, p in zip(sides, (1, power), strict=True) if side is not None]
    if len(present) == 1 and present[0][1] == -1:
        return computed(tracer, label, list(args), kwargs)
    product = fresh(tracer, label)
    columns = [side for side, _ in present]
    tracer.legs.relate(product, *columns, magnitude=(1, *(p for _, p in present)), sign=(1,) * (len(present) + 1))
    vector = _vector_operand(args, sides)
    if power == 1 and vector is not None:
        return diagonal(tracer, label, product, *vector)
    return computed(tracer, product, list(args), kwargs)


def scaled(tracer: Tracer, x: Any, y: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Value:
    """A product with a number, or a quotient of one."""
    value = x if isinstance(x, Value) else y
    if value.label is None:
        return tracer.result()
    if x is not value and tracer.operator.startswith("div"):
        return power(tracer, value, -1)
    return computed(tracer, value.label, list(args), kwargs)


@rule("abs")
def absolute(tracer: Tracer, x: Value) -> Value:
    """|x|: the magnitude of the multiplier."""
    return monomial(tracer, x, (x,), magnitude=(1, -1), sign=(1, 0))


@rule("square")
def square(tracer: Tracer, x: Value) -> Value:
    """x²: the square of the multiplier."""
    return monomial(tracer, x, (x,), magnitude=(1, -2), sign=(1, 0))


@rule("reciprocal")
def reciprocal(tracer: Tracer, x: Value) -> Value:
    """1 / x: the inverse of the multiplier."""
    return monomial(tracer, x, (x,), magnitude=(1, 1), sign=(1, 1))


@rule("sign", "sgn")
def sign(tracer: Tracer, x: Value) -> Value:
    """sgn(x): the sign of the multiplier."""
    return monomial(tracer, x, (x,), magnitude=(1, 0), sign=(1, 1))


@rule("sqrt", "rsqrt")
def root(tracer: Tracer, x: Value) -> Value:
    """√x and 1/√x: a root of a positive multiplier."""
    if x.label is not None:
        tracer.legs.restrict(x.label, magnitude=True)
    return monomial(tracer, x, (x,), magnitude=(2, -1 if tracer.operator == "sqrt" else 1), sign=(1, 0))


@rule("pow")
def power(tracer: Tracer, x: Any, exponent: Any) -> Value:
    """x^k for whole k: the k-th power of the multiplier."""
    if isinstance(x, Value) and isinstance(exponent, int | float) and float(exponent).is_integer():
        k = int(exponent)
        return monomial(tracer, x, (x, exponent), magnitude=(1, -k), sign=(1, k % 2))
    return joined(tracer, [x, exponent], {})


@rule("prelu")
def prelu(tracer: Tracer, x: Value, weight: Value) -> Value:
    """max(0, x) + a min(0, x) with a learned slope, one for all channels or one for each of axis 1."""
    slopes = tracer.axis(weight, 0).reshape(3, -1)
    tracer.legs.restrict(x.units, magnitude=True)
    node = tracer.add_node("pointwise", x.units[LEG], pointwise=Pointwise("prelu.default", ("$0", "slope")))
    label = with_node(x.units, node)
    tracer.use("operand", node, None, x.units, label, x.units)
    tracer.legs.restrict(slopes)
    if len(x.shape) > 1 and weight.shape[0] == x.shape[1] == x.units.shape[2]:
        slopes = slopes.reshape(3, 1, -1, *[1] * (len(x.shape) - 2))
        tracer.legs.relate(slopes, label)
    else:
        tracer.legs.pin(slopes)
    tracer.use("slope", node, weight.tensor, slopes, label)
    return tracer.result(label)


@rule("dropout", "dropout_", "alpha_dropout", "feature_dropout", "feature_alpha_dropout", "native_dropout")
def dropout(tracer: Tracer, x: Value, p: float, train: bool) -> Value:
    """Nothing, in evaluation."""
    if train:
        return elementwise(tracer, x)
    return Value(x.shape, x.label, x.tensor, x.axes, x.name)


@rule("glu")
def glu(tracer: Tracer, x: Value, dim: int = -1) -> Value:
    """A ⊙ sigmoid(b) for the halves a, b of x."""
    from wsgraph.trace.rules.shape import take

    if x.label is None:
        return tracer.result()
    half = x.shape[dim] // 2
    a, b = (take(tracer, x, dim, slice(i * half, (i + 1) * half)) for i in range(2))
    tracer.legs.restrict(b.units)
    gate = computed(tracer, b.units, [b], {}, op="sigmoid.default")
    tracer.operator, tracer.overload = "mul", "Tensor"
    return multiply(tracer, a, gate)


# ------------------------------------------------------------------- helpers


def monomial(
    tracer: Tracer, x: Value, args: tuple[Any, ...], magnitude: tuple[int, int], sign: tuple[int, int]
) -> Value:
    """An elementwise function whose result has a power of the multiplier: Π of (result, x) to these powers is 1."""
    if x.label is None:
        return joined(tracer, list(args), {})
    result = fresh(tracer, x.label)
    tracer.legs.relate(result, x.label, magnitude=magnitude, sign=sign)
    return computed(tracer, result, list(args), {})


def fresh(tracer: Tracer, label: Label) -> Label:
    """New legs for the units of a label, with multipliers of their own; one leg a unit."""
    units, position = np.unique(label[LEG], return_inverse=True)
    legs = tracer.legs.new(len(units))[position.reshape(label[LEG].shape)]
    return np.stack([legs, label[1], label[2]])


def align(tracer: Tracer, args: Any) -> Label | None:
    """The label of the result of a broadcast, after pinning what cannot be aligned; None if nothing is labelled."""
    values = [a for a in args if isinstance(a, Value) and a.label is not None]
    if not values:
        tracer.pin([a for a in args if isinstance(a, Value)], "no rule for arithmetic among parameters")
        return None
    main = max(values, key=lambda v: (len(full_axes(v.units)), len(v.shape)))
    axes = full_axes(main.units)
    for value in values:
        if not full_axes(value.units) <= axes or (axes and not full_axes(value.units)):
            tracer.pin([value], "its units lie along other axes than those of the value it meets")
    for value in args:
        if isinstance(value, Value) and not value.labels and not value.is_parameter and _varies(value, main.units):
            tracer.pin([main], "it meets numbers that differ from unit to unit")
    return main.units.reshape(3, *[1] * (len(tracer.shape) + 1 - main.units.ndim), *main.units.shape[1:])


def labelled(tracer: Tracer, args: Any, label: Label) -> list[Label]:
    """Labels of all operands that have units where ``label`` has."""
    found = [_label_like(tracer, a, label) for a in args if isinstance(a, Value)]
    return [f for f in found if f is not None]


def _label_like(tracer: Tracer, value: Value, label: Label) -> Label | None:
    if value.label is not None:
        aligned = bool(full_axes(value.label)) or not full_axes(label)
        return value.label if aligned else None
    if not value.is_parameter:
        return None
    axes = [a for a in full_axes(label) if -a <= len(value.shape) and value.shape[a] > 1]
    if len(axes) != 1:
        tracer.pin([value], "a parameter that meets units along no axis of its own, or along several")
        return None
    return tracer.axis(value, axes[0])


def _vector_operand(args: Any, sides: list[Label | None]) -> tuple[str, Label] | None:
    """The tensor and legs of the one operand that is a parameter, if the other is a computed value."""
    found = [(a.tensor, side) for a, side in zip(args, sides, strict=False) if side is not None and a.is_parameter]
    if len(found) != 1 or sum(side is not None for side in sides) != 2:
        return None
    return found[0]


def _varies(value: Value, label: Label) -> bool:
    return any(-a <= len(value.shape) and value.shape[a] > 1 for a in full_axes(label))


def computed(tracer: Tracer, label: Label, args: list[Any], kwargs: dict[str, Any], op: str | None = None) -> Value:
    """The result: the units of ``label`` in a node of their own, with the labelled arguments as operands."""
    op = op or f"{tracer.operator}.{tracer.overload}"
    operands = [a for a in args if isinstance(a, Value) and _is_operand(tracer, a, label)]
    call = _call(op, args, kwargs, operands)
    node = tracer.add_node("pointwise", label[LEG], pointwise=call)
    result = with_node(label, node)
    for operand in operands:
        if operand.label is not None:
            tracer.use("operand", node, None, operand.label, result, operand.label)
        else:
            (found,) = (a for a in tracer.parameter(operand, ()).axes if a is not None)
            tracer.use("operand", node, operand.tensor, found, result)
    return tracer.result(result)


def _is_operand(tracer: Tracer, value: Value, label: Label) -> bool:
    if value.label is not None:
        return bool(full_axes(value.label)) or not full_axes(label)
    return value.is_parameter and sum(a is not None for a in tracer.parameter(value, ()).axes) == 1


def _call(op: str, args: list[Any], kwargs: dict[str, Any], operands: list[Value]) -> Pointwise | None:
    """The call with "$k" for the k-th operand; None (the identity) if it needs numbers that the space does not hold."""
    named = [_argument(a, operands) for a in args]
    named += [(name, value) for name, value in kwargs.items() if value is not None]
    if any(isinstance(a, Value) for a in named) or not operands:
        return None
    return Pointwise(op, tuple(named))


def _argument(argument: Any, operands: list[Value]) -> Any:
    for k, operand in enumerate(operands):
        if argument is operand:
            return f"${k}"
    return tuple(argument) if isinstance(argument, list) else argument
