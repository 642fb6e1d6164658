"""Elementwise operators: which scales pass through them."""

from __future__ import annotations

from math import inf
from typing import Any

from wsgraph.space import Pointwise
from wsgraph.trace.computed import computed, monomial
from wsgraph.trace.legs import LEG
from wsgraph.trace.registry import rule
from wsgraph.trace.rules.arithmetic import joined, multiply
from wsgraph.trace.rules.shape import take
from wsgraph.trace.tracer import Tracer
from wsgraph.trace.value import Value, with_node

LINEAR = ("neg", "clone", "positive")
HOMOGENEOUS = ("relu", "leaky_relu", "rrelu")
ODD = (
    *("tanh", "sin", "tan", "asin", "arcsin", "atan", "arctan", "sinh", "asinh", "arcsinh", "atanh", "arctanh"),
    *("erf", "erfinv", "hardshrink", "softshrink", "round", "trunc", "fix"),
)


def passes(operator: str, *constants: Any, **named: Any) -> tuple[bool, bool]:
    """Whether an elementwise function of one tensor commutes with positive multipliers, and with signs."""
    if operator in LINEAR:
        return True, True
    if operator in HOMOGENEOUS:
        return True, False
    if operator == "hardtanh":
        return _clamp_passes(*(constants or (-1.0, 1.0)), **named)
    if operator == "clamp":
        return _clamp_passes(*constants, **named)
    return False, operator in ODD


def _clamp_passes(min: float | None = None, max: float | None = None) -> tuple[bool, bool]:
    low, high = -inf if min is None else min, inf if max is None else max
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
    magnitude, sign = passes(tracer.operator, *(a for a in args if not isinstance(a, Value)), **kwargs)
    tracer.legs.restrict(x.label, magnitude, sign)
    return computed(tracer, x.label, list(args), kwargs)


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
    if x.label is None:
        return tracer.result()
    half = x.shape[dim] // 2
    a, b = (take(tracer, x, dim, slice(i * half, (i + 1) * half)) for i in range(2))
    tracer.legs.restrict(b.units)
    gate = computed(tracer, b.units, [b], {}, op="sigmoid.default")
    tracer.operator, tracer.overload = "mul", "Tensor"
    return multiply(tracer, a, gate)
