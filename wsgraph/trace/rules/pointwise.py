"""Elementwise operators: which scales pass through them."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from wsgraph.space import Pointwise
from wsgraph.trace.computed import computed, monomial
from wsgraph.trace.legs import LEG
from wsgraph.trace.registry import rule
from wsgraph.trace.rules.arithmetic import joined, multiply
from wsgraph.trace.rules.shape import take
from wsgraph.trace.tracer import Tracer
from wsgraph.trace.value import Value, laid, with_node

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
    if len(operands) != 1:
        return joined(tracer, list(args), kwargs)
    x = tracer.opened(operands[0])
    magnitude, sign = passes(tracer.operator, *(a for a in args if not isinstance(a, Value)), **kwargs)
    for label in x.labels:
        tracer.legs.restrict(label, magnitude, sign)
    return computed(tracer, x.labels, [x if isinstance(a, Value) else a for a in args], kwargs)


@rule("sin")
def sine(tracer: Tracer, x: Value) -> Value:
    """sin(x): signs pass, and half turns may hide in the bias before it."""
    result = elementwise(tracer, x)
    if result.labels and not result.is_parameter:
        tracer.sines.append(len(tracer.nodes) - 1)
    return result


@rule("cos", "cosh")
def even(tracer: Tracer, x: Value) -> Value:
    """f(-x) = f(x): signs end."""
    for label in tracer.opened(x).labels:
        tracer.legs.restrict(label, sign=True)
    return monomial(tracer, x, (x,), magnitude=(1, 0), sign=(1, 0))


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
    for label in tracer.opened(x).labels:
        tracer.legs.restrict(label, magnitude=True)
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
    units = next((lab for lab in x.labels if len(x.shape) > 1 and lab.shape[2] == weight.shape[0] == x.shape[1]), None)
    for label in x.labels:
        tracer.legs.restrict(label, magnitude=True)
    node = tracer.add_node(
        "pointwise",
        np.concatenate([label[LEG].reshape(-1) for label in x.labels]),
        pointwise=Pointwise("prelu.default", ("$0", "slope")),
    )
    result = tracer.result(*(with_node(label, node) for label in x.labels))
    for label, met in zip(x.labels, result.labels, strict=True):
        tracer.operand(node, label, met)
    tracer.legs.restrict(slopes)
    if units is not None:
        slopes = laid(slopes, 1, len(x.shape))
        tracer.legs.relate(slopes, units)
    else:
        tracer.legs.pin(slopes)
    if result.labels:
        tracer.enter("slope", node, weight, slopes, result.labels[0] if units is None else with_node(units, node))
    return result


@rule("dropout", "dropout_", "alpha_dropout", "feature_dropout", "feature_alpha_dropout", "native_dropout")
def dropout(tracer: Tracer, x: Value, p: float, train: bool) -> Value:
    """Nothing, in evaluation."""
    return elementwise(tracer, x) if train else x


@rule("glu")
def glu(tracer: Tracer, x: Value, dim: int = -1) -> Value:
    """A ⊙ sigmoid(b) for the halves a, b of x."""
    half = x.shape[dim] // 2
    a, b = (take(tracer, x, dim, slice(i * half, (i + 1) * half)) for i in range(2))
    for label in b.labels:
        tracer.legs.restrict(label)
    gate = computed(tracer, b.labels, [b], {}, op="sigmoid.default")
    tracer.operator, tracer.overload = "mul", "Tensor"
    return multiply(tracer, a, gate)
