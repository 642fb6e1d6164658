"""Pooling, resampling and other reductions: over positions every unit by itself, over units all of them together."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from wsgraph.trace.computed import as_parameter, fresh, read
from wsgraph.trace.contraction import outer_legs, siblings
from wsgraph.trace.legs import Label
from wsgraph.trace.registry import rule
from wsgraph.trace.rules.arithmetic import add
from wsgraph.trace.tracer import Tracer
from wsgraph.trace.value import NotCovered, Value, span

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


@rule(
    *(f"upsample_{kind}" for kind in ("nearest1d", "nearest2d", "nearest3d", "linear1d", "bilinear2d", "bicubic2d")),
    *("upsample_trilinear3d", "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa", "_upsample_nearest_exact2d"),
    *("_upsample_nearest_exact1d", "_upsample_nearest_exact3d", "grid_sampler", "grid_sampler_2d"),
)
def upsample(tracer: Tracer, x: Value, *args: Any, **kwargs: Any) -> Value:
    """Weighted means over positions: every multiplier passes."""
    return _resampled(tracer, x, range(2, len(x.shape)), sign=True)


@rule("cumsum")
def cumsum(tracer: Tracer, x: Value, dim: int, **kwargs: Any) -> Value:
    """Sums over positions up to each: every multiplier passes."""
    return _resampled(tracer, x, [dim % len(x.shape)], sign=True)


@rule("mean", "sum", "nansum")
def mean(tracer: Tracer, x: Value, dim: Any = None, keepdim: bool = False, **kwargs: Any) -> Value:
    """Means and sums: over positions every multiplier passes, over units the one that they share."""
    return reduced(tracer, x, _axes(x, dim), keepdim, sign=True)


@rule("amax", "amin")
def amax(tracer: Tracer, x: Value, dim: Any = None, keepdim: bool = False) -> Value:
    """Maxima and minima along axes."""
    return reduced(tracer, x, _axes(x, dim), keepdim, sign=False)


@rule("max", "min")
def largest(tracer: Tracer, x: Value, dim: Any = None, keepdim: bool = False) -> Value | tuple[Value, ...]:
    """Maxima and minima, and their places; or of two values, place by place."""
    if isinstance(dim, Value):
        tracer.operator = {"max": "maximum", "min": "minimum"}[tracer.operator]
        return add(tracer, x, dim)
    several = tracer.shape if isinstance(tracer.shape, list) else None
    if several:
        tracer.shape = several[0]
    result = reduced(tracer, x, _axes(x, dim), keepdim, sign=False)
    return (result, *(Value(tuple(s), name=tracer.call) for s in several[1:])) if several else result


@rule("prod")
def prod(tracer: Tracer, x: Value, dim: Any = None, keepdim: bool = False, **kwargs: Any) -> Value:
    """Products: over positions the power of a multiplier, over units the product of theirs."""
    x = tracer.opened(x)
    axes = _axes(x, dim)
    gone = {a - len(x.shape) for a in axes}
    labels = []
    for label in x.labels:
        along = span(label) & gone
        times = math.prod(x.shape[a] for a in gone - along)
        result = outer_legs(tracer, label.shape[1:], along) if along else fresh(tracer, label)
        if along:
            tracer.legs.multiply(label, result, times)
        else:
            tracer.legs.relate(result, label, magnitude=(1, -times), sign=(1, times % 2))
        labels.append(result)
    return _without_axes(tracer, x, labels, axes, keepdim)


@rule("var", "std", "linalg_vector_norm", "norm")
def spread(tracer: Tracer, x: Value, *args: Any, **kwargs: Any) -> Value:
    """Root mean squares, norms, variances: the magnitude of the multiplier, or its square."""
    x = tracer.opened(x)
    has_order = tracer.operator in ("linalg_vector_norm", "norm")
    rest = args[1:] if has_order else args
    dim = kwargs.get("dim", rest[0] if rest and not isinstance(rest[0], bool) else None)
    axes = set(_axes(x, dim))
    keepdim = len(tracer.shape) == len(x.shape)
    squared = _with_magnitudes(tracer, x, 2 if tracer.operator == "var" else 1, axes)
    return reduced(tracer, squared, sorted(axes), keepdim, sign=True, reads=x)


@rule("softmax", "_softmax", "log_softmax", "_log_softmax", "_safe_softmax")
def softmax(tracer: Tracer, x: Value, dim: int, *options: object, **more: object) -> Value:
    """Units that share a softmax stay alike, and lose their multipliers."""
    x = tracer.opened(x)
    dim %= len(x.shape)
    for label in x.labels:
        tracer.legs.restrict(label)
        if label.shape[dim + 1] > 1:
            siblings(tracer, label, {dim - len(x.shape)})
    result = tracer.result(*x.labels)
    if x.is_parameter:
        return as_parameter(tracer, result, [x])
    operator = tracer.operator.lstrip("_").removeprefix("safe_")
    return read(tracer, result, [x], operator if x.along(dim) else "pointwise")


def reduced(tracer: Tracer, x: Value, axes: list[int], keepdim: bool, sign: bool, reads: Value | None = None) -> Value:
    """Sum (or take the largest) along axes; units that lie along them become one, of the multiplier that they share."""
    x = tracer.opened(x)
    rank = len(x.shape)
    gone = {a - rank for a in axes}
    labels = []
    for label in x.labels:
        if not sign:
            tracer.legs.restrict(label, magnitude=True)
        labels.append(siblings(tracer, label, span(label) & gone) if span(label) & gone else label)
    return _without_axes(tracer, x, labels, axes, keepdim, reads)


def _without_axes(
    tracer: Tracer, x: Value, labels: list[Label], axes: list[int], keepdim: bool, reads: Value | None = None
) -> Value:
    """The result of a reduction along axes, that has these labels."""
    rank = len(x.shape)
    over_units = any(span(label) & {a - rank for a in axes} for label in x.labels)
    if not keepdim:
        labels = [label.squeeze(tuple(a + 1 for a in axes)) for label in labels]
    result = tracer.result(*labels)
    if x.is_parameter:
        return as_parameter(tracer, result, [replace(x, members=())])
    if not keepdim:  # connections need the axes
        result = replace(result, shape=tuple(1 if a in axes else n for a, n in enumerate(x.shape)))
        result = replace(result, labels=tuple(_with_axes(label, axes, rank) for label in labels))
    result = read(tracer, result, [reads or x], _reduction(tracer.operator) if over_units else "pointwise")
    if keepdim:
        return result
    return tracer.result(*(label.squeeze(tuple(a + 1 for a in axes)) for label in result.labels))


def _with_axes(label: Label, axes: list[int], rank: int) -> Label:
    dims = iter(label.shape[1:])
    return label.reshape(3, *(1 if a in axes else next(dims) for a in range(rank)))


def _with_magnitudes(tracer: Tracer, x: Value, power: int, axes: set[int]) -> Value:
    """The absolute values (or squares) of what a norm sums; deviations from a mean know no sign either."""
    labels = []
    for label in x.labels:
        result = fresh(tracer, label)
        tracer.legs.relate(result, label, magnitude=(1, -power), sign=(1, 0))
        if tracer.operator in ("var", "std"):
            along = span(label) & {a - len(x.shape) for a in axes}
            if along:
                siblings(tracer, label, along)
        labels.append(result)
    return replace(x, labels=tuple(labels), is_raw=False)


def _pooled(tracer: Tracer, x: Value, sign: bool) -> Value:
    count = next(n for n, size in enumerate(_SIZES, 1) if size in tracer.operator)
    return _resampled(tracer, x, range(len(x.shape) - count, len(x.shape)), sign)


def _resampled(tracer: Tracer, x: Value, axes: Any, sign: bool) -> Value:
    """Mix positions, of every unit by itself."""
    x = tracer.opened(x)
    positions = [label for a in axes for label in x.along(a)]
    if positions and not x.is_parameter:
        raise NotCovered("a form in which the positions are units")
    for label in positions:
        tracer.legs.pin(label)
    x = replace(x, labels=tuple(lab for lab in x.labels if not any(lab is p for p in positions)), members=())
    for label in x.labels:
        if not sign:
            tracer.legs.restrict(label, magnitude=True)
    result = tracer.result(*x.labels)
    return as_parameter(tracer, result, [x]) if x.is_parameter else read(tracer, result, [x], "pointwise")


def _axes(x: Value, dim: Any) -> list[int]:
    rank = len(x.shape)
    dims = range(rank) if dim is None or dim == [] else [dim] if isinstance(dim, int) else dim
    return sorted(d % rank for d in dims)


def _reduction(operator: str) -> str:
    """What becomes of several units: the name of a reduction of torch."""
    if operator in ("sum", "prod", "amin"):
        return operator
    return "amax" if "max" in operator else "mean"
