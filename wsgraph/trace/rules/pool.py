"""Pooling and other reductions over positions."""

from __future__ import annotations

from typing import Any

from wsgraph.trace.legs import LEG
from wsgraph.trace.registry import rule
from wsgraph.trace.tracer import Tracer
from wsgraph.trace.value import Value, with_node

_SIZES = ("1d", "2d", "3d")


@rule(*(f"{kind}avg_pool{size}" for kind in ("", "adaptive_", "_adaptive_") for size in _SIZES))
def avg_pool(tracer: Tracer, x: Value, *args: Any, **kwargs: Any) -> Value:
    """Means over positions: every multiplier passes."""
    return _pooled(tracer, x, sign=True)


@rule(*(f"{kind}max_pool{size}{end}" for kind in ("", "adaptive_") for size in _SIZES for end in ("", "_with_indices")))
def max_pool(tracer: Tracer, x: Value, *args: Any, **kwargs: Any) -> Value | tuple[Value, ...]:
    """Maxima over positions: positive multipliers pass."""
    several = tracer.shape if isinstance(tracer.shape, list) else None
    if several:
        tracer.shape = several[0]
    result = _pooled(tracer, x, sign=False)
    return (result, *(Value(tuple(s), name=tracer.call) for s in several[1:])) if several else result


@rule("mean", "sum")
def mean(tracer: Tracer, x: Value, dim: Any = None, keepdim: bool = False, **kwargs: Any) -> Value:
    """Means and sums: over positions every multiplier passes, over units it must be one for all of them."""
    return _reduced(tracer, x, dim, keepdim, sign=True)


@rule("amax", "amin")
def amax(tracer: Tracer, x: Value, dim: Any = None, keepdim: bool = False) -> Value:
    """Maxima and minima along axes."""
    return _reduced(tracer, x, dim, keepdim, sign=False)


def _pooled(tracer: Tracer, x: Value, sign: bool) -> Value:
    axes = range(len(x.shape) - _spatial_axes(tracer.operator), len(x.shape))
    return _collapsed(tracer, x, list(axes), keepdim=True, sign=sign)


def _spatial_axes(operator: str) -> int:
    return next(n for n, size in enumerate(_SIZES, 1) if size in operator)


def _reduced(tracer: Tracer, x: Value, dim: Any, keepdim: bool, sign: bool) -> Value:
    rank = len(x.shape)
    dims = range(rank) if dim is None or dim == [] else [dim] if isinstance(dim, int) else dim
    return _collapsed(tracer, x, [d % rank for d in dims], keepdim, sign)


def _collapsed(tracer: Tracer, x: Value, axes: list[int], keepdim: bool, sign: bool) -> Value:
    """Reduce axes; units that lie along them join, each as a copy of its own."""
    if x.label is None:
        tracer.pin([x] if x.is_parameter else [], "no rule for a reduction of a parameter")
        return tracer.result()
    if not sign:
        tracer.legs.restrict(x.label, magnitude=True)
    label, operator = x.label, "pointwise"
    for axis in axes:
        if label.shape[axis + 1] > 1:
            first = label.take([0], axis=axis + 1)
            tracer.legs.equal(first, label)
            label, operator = first, _reduction(tracer.operator)
    node = tracer.add_node(operator, label[LEG])
    result = with_node(label, node)
    tracer.use("operand", node, None, x.label, result, x.label)
    if not keepdim:
        result = result.squeeze(tuple(a + 1 for a in axes))
    return tracer.result(result)


def _reduction(operator: str) -> str:
    """What becomes of several units: the name of a reduction of torch."""
    if operator in ("sum", "amin"):
        return operator
    return "amax" if "max" in operator else "mean"
