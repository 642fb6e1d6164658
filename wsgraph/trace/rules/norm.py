"""Normalisations: the class of multipliers before one ends, and a new one starts after it."""

from __future__ import annotations

from typing import Any

import numpy as np

from wsgraph.trace.computed import fresh
from wsgraph.trace.legs import LEG, Label
from wsgraph.trace.registry import rule
from wsgraph.trace.sharing import is_shared
from wsgraph.trace.tracer import Tracer, make_label
from wsgraph.trace.value import NotCovered, Value, raised, span, with_node


@rule("batch_norm", "_native_batch_norm_legit_no_training")
def batch_norm(
    tracer: Tracer,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    running_mean: Value | None,
    running_var: Value | None,
    *options: Any,
) -> Value | tuple[Value, ...]:
    """(x - m) / √(v + ε) · γ + β with stored statistics: m follows the multiplier, v + ε its square."""
    training, eps = (options[0], float(options[2])) if tracer.operator == "batch_norm" else (False, float(options[1]))
    several = tracer.operator != "batch_norm"
    if several:
        tracer.shape = tracer.shape[0]
    if training or running_mean is None or running_var is None:
        result = per_channel(tracer, x, weight, bias, eps)
    else:
        result = with_statistics(tracer, x, weight, bias, running_mean, running_var, eps)
    return (result, result, result) if several else result


@rule("instance_norm")
def instance_norm(
    tracer: Tracer,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    running_mean: Value | None,
    running_var: Value | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Value:
    """Every channel of every sample to mean 0 and variance 1, or by stored statistics."""
    if use_input_stats or running_mean is None or running_var is None:
        return per_channel(tracer, x, weight, bias, eps)
    return with_statistics(tracer, x, weight, bias, running_mean, running_var, eps)


@rule("group_norm")
def group_norm(
    tracer: Tracer,
    x: Value,
    num_groups: int,
    weight: Value | None = None,
    bias: Value | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Value:
    """Every group of channels to mean 0 and variance 1."""
    channels = x.shape[1]
    if num_groups == channels:
        return per_channel(tracer, x, weight, bias, eps)
    x, label = tracer.units_along(x, 1)
    number = (np.arange(channels) // (channels // num_groups)).reshape(-1, *[1] * (len(x.shape) - 2))
    whole = make_label(tracer.legs.new(num_groups)[number][None], -1)
    return _across_units(tracer, "group_norm", x, label, whole, weight, bias, eps, axis=1)


@rule("layer_norm", "native_layer_norm")
def layer_norm(
    tracer: Tracer,
    x: Value,
    normalized_shape: list[int],
    weight: Value | None = None,
    bias: Value | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Value | tuple[Value, ...]:
    """The last axes to mean 0 and variance 1: for all units together, so they keep no multiplier but a common sign."""
    several = tracer.shape if isinstance(tracer.shape, list) else None
    if several:
        tracer.shape = several[0]
    result = _over_last_axes(tracer, "layer_norm", x, normalized_shape, weight, bias, eps)
    return (result, *(Value(tuple(s), name=tracer.call) for s in several[1:])) if several else result


@rule("rms_norm")
def rms_norm(
    tracer: Tracer, x: Value, normalized_shape: list[int], weight: Value | None = None, eps: float | None = None
) -> Value:
    """The last axes to root mean square 1. The default ε, that of the dtype, is as good as none."""
    return _over_last_axes(tracer, "rms_norm", x, normalized_shape, weight, None, eps or 0.0)


def _over_last_axes(
    tracer: Tracer,
    operator: str,
    x: Value,
    normalized_shape: list[int],
    weight: Value | None,
    bias: Value | None,
    eps: float,
) -> Value:
    axes = frozenset(range(-len(normalized_shape), 0))
    x = tracer.opened(x)
    found = [label for label in x.labels if span(label) & axes]
    if len(found) > 1:
        raise NotCovered("a form that normalises units of two kinds together")
    if not found:
        x, label = tracer.units_along(x, -1)
    else:
        (label,) = found
    return _across_units(tracer, operator, x, label, siblings_of(tracer, label, axes), weight, bias, eps, axis=-1)


def siblings_of(tracer: Tracer, label: Label, axes: frozenset[int]) -> Label:
    """Fresh legs for the larger units of what lies along some axes."""
    dims = [1 if i - (label.ndim - 1) in axes else n for i, n in enumerate(label.shape[1:])]
    return make_label(tracer.legs.new(int(np.prod(dims))).reshape(dims), -1)


def with_statistics(
    tracer: Tracer, x: Value, weight: Value | None, bias: Value | None, mean: Value, variance: Value, eps: float
) -> Value:
    """A normalisation of channels by running statistics, which follow the multiplier of the channel exactly."""
    x, label = tracer.units_along(x, 1)
    mean_legs, variance_legs = (_vector(tracer, v, label, 1) for v in (mean, variance))
    if tracer.shifts.setdefault(str(variance.tensor), eps) != eps:
        tracer.pin([x], "one running variance is used with two values of ε")
    node, out = _normalised(tracer, "batch_norm", label, eps)
    tracer.legs.equal(mean_legs, label)
    tracer.legs.relate(variance_legs, label, magnitude=(1, -2), sign=(1, 0))
    tracer.enter("mean", node, mean, mean_legs, out)
    tracer.enter("variance", node, variance, variance_legs, out)
    return _affine(tracer, x, label, node, out, weight, bias, 1, keeps_sign=True)


def per_channel(tracer: Tracer, x: Value, weight: Value | None, bias: Value | None, eps: float) -> Value:
    """A normalisation of each channel by its own statistics: ε ends the magnitude, the sign goes on."""
    x, label = tracer.units_along(x, 1)
    if places := span(label) - {1 - len(x.shape)}:  # units are what one channel has at one place
        whole = siblings_of(tracer, label, places)
        return _across_units(tracer, "instance_norm", x, label, whole, weight, bias, eps, axis=1)
    tracer.legs.restrict(label, magnitude=eps == 0, sign=True)
    node, out = _normalised(tracer, "instance_norm", label, eps)
    return _affine(tracer, x, label, node, out, weight, bias, 1, keeps_sign=True)


def _across_units(
    tracer: Tracer,
    operator: str,
    x: Value,
    label: Label,
    whole: Label,
    weight: Value | None,
    bias: Value | None,
    eps: float,
    axis: int,
) -> Value:
    """A normalisation of many units together, which have one sign in common, and one magnitude if ε is 0.

    Squares know no signs: where no mean is taken off, each unit has a sign of its own.
    """
    own_sign = operator == "rms_norm"
    tracer.legs.nest(label, parent=whole, magnitude=(1, -1), sign=None if own_sign else (1, 1))
    tracer.legs.restrict(whole, magnitude=eps == 0, sign=True)
    node, out = _normalised(tracer, operator, label, eps)
    return _affine(tracer, x, label, node, out, weight, bias, axis, keeps_sign=True)


def _normalised(tracer: Tracer, operator: str, label: Label, eps: float) -> tuple[int, Label]:
    out = fresh(tracer, label)
    node = tracer.add_node(operator, out[LEG], eps=eps)
    result = with_node(out, node)
    tracer.operand(node, label, result)
    return node, result


def _affine(
    tracer: Tracer,
    x: Value,
    label: Label,
    node: int,
    out: Label,
    weight: Value | None,
    bias: Value | None,
    axis: int,
    keeps_sign: bool,
) -> Value:
    """Γ · x̂ + β, where x̂ has no magnitude, and the sign of x or none. Other labels of x lose their multipliers."""
    sign = 1 if keeps_sign else 0
    if weight is None:
        tracer.legs.relate(out, label, magnitude=(1, 0), sign=(1, sign))
    else:
        gain = _vector(tracer, weight, label, axis)
        if is_shared(tracer, gain, out, span(label) - span(gain)):
            tracer.legs.share(out, label, wide=gain, parent=None, magnitude=(1, 0, -1), sign=(1, sign, 1))
        else:
            tracer.legs.relate(out, gain, label, magnitude=(1, -1, 0), sign=(1, 1, sign))
        tracer.enter("gain", node, weight, gain, out)
    if bias is not None:
        shift = _vector(tracer, bias, label, axis)
        if is_shared(tracer, shift, out, span(label) - span(shift)):
            tracer.legs.share(out, wide=shift, parent=None, magnitude=(1, -1), sign=(1, 1), linear=True)
        else:
            tracer.legs.equal(shift, out)
        tracer.enter("shift", node, bias, shift, out)
    return tracer.result(out, *tracer.bystanders(x, label, node))


def _vector(tracer: Tracer, vector: Value, label: Label, axis: int) -> Label:
    """The legs of a parameter with an entry for each unit, laid along axis 1, or along the last axes."""
    rank = label.ndim - 1
    if axis == 1:
        return tracer.axis(vector, 0).reshape(3, -1, *[1] * (rank - 2))
    if vector.is_raw:
        axes = tuple(i for i, n in enumerate(vector.shape) if n > 1)
        vector = tracer.opened_jointly(vector, [axes or (len(vector.shape) - 1,)])
    if len(vector.labels) != 1:
        raise NotCovered("a form in which the gains have units of two kinds")
    return raised(vector.labels[0], rank)
