"""Normalisations: the class of multipliers before one ends, and a new one starts after it."""

from __future__ import annotations

from typing import Any

import numpy as np

from wsgraph.trace.computed import fresh
from wsgraph.trace.legs import LEG, NODE, SITE, Label, mix
from wsgraph.trace.registry import rule
from wsgraph.trace.tracer import Tracer
from wsgraph.trace.value import NotCovered, Value, full_axes, with_node


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
    x = tracer.units_along(x, 1)
    label = x.units
    number = (np.arange(channels) // (channels // num_groups)).reshape(-1, *[1] * (label.ndim - 3))
    site = np.broadcast_to(mix(label[SITE], number), label[LEG].shape)
    tracer.legs.mark(np.stack([label[LEG], site, label[NODE]]))
    return across_units(tracer, "group_norm", x, weight, bias, eps, axis=1)


@rule("layer_norm")
def layer_norm(
    tracer: Tracer,
    x: Value,
    normalized_shape: list[int],
    weight: Value | None = None,
    bias: Value | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Value:
    """The last axes to mean 0 and variance 1: for all units together, so they keep no multiplier of their own."""
    axis = _normalized_axis(x, normalized_shape)
    return across_units(tracer, "layer_norm", tracer.units_along(x, axis), weight, bias, eps, axis)


@rule("rms_norm")
def rms_norm(
    tracer: Tracer, x: Value, normalized_shape: list[int], weight: Value | None = None, eps: float | None = None
) -> Value:
    """The last axes to root mean square 1. The default ε, that of the dtype, is as good as none."""
    axis = _normalized_axis(x, normalized_shape)
    return across_units(tracer, "rms_norm", tracer.units_along(x, axis), weight, None, eps or 0.0, axis)


@rule("softmax", "_softmax", "log_softmax", "_log_softmax")
def softmax(tracer: Tracer, x: Value, dim: int, *options: object, **more: object) -> Value:
    """Units that share a softmax stay alike, and lose their multipliers."""
    if x.label is None:
        return tracer.result()
    tracer.legs.restrict(x.units)
    along_units = x.label.shape[dim % len(x.shape) + 1] > 1
    node = tracer.add_node(tracer.operator.lstrip("_") if along_units else "pointwise", x.units[LEG])
    label = with_node(x.units, node)
    tracer.use("operand", node, None, x.units, label, x.units)
    return tracer.result(label)


def with_statistics(
    tracer: Tracer, x: Value, weight: Value | None, bias: Value | None, mean: Value, variance: Value, eps: float
) -> Value:
    """A normalisation of channels by running statistics, which follow the multiplier of the channel exactly."""
    x = tracer.units_along(x, 1)
    mean_legs, variance_legs = _vector(tracer, mean, x, 1), _vector(tracer, variance, x, 1)
    if tracer.shifts.setdefault(str(variance.tensor), eps) != eps:
        tracer.pin([x], "one running variance is used with two values of ε")
    node, out = _normalised(tracer, "batch_norm", x.units, eps)
    tracer.legs.equal(mean_legs, x.units)
    tracer.legs.relate(variance_legs, x.units, magnitude=(1, -2), sign=(1, 0))
    tracer.use("mean", node, mean.tensor, mean_legs, out)
    tracer.use("variance", node, variance.tensor, variance_legs, out)
    return _affine(tracer, x, node, out, weight, bias, 1, keeps_sign=True)


def per_channel(tracer: Tracer, x: Value, weight: Value | None, bias: Value | None, eps: float) -> Value:
    """A normalisation of each channel by its own statistics: ε ends the magnitude, the sign goes on."""
    x = tracer.units_along(x, 1)
    tracer.legs.restrict(x.units, magnitude=eps == 0, sign=True)
    node, out = _normalised(tracer, "instance_norm", x.units, eps)
    return _affine(tracer, x, node, out, weight, bias, 1, keeps_sign=True)


def across_units(
    tracer: Tracer, operator: str, x: Value, weight: Value | None, bias: Value | None, eps: float, axis: int
) -> Value:
    """A normalisation of many units together. Squares know no signs: they pass where no mean is taken off."""
    keeps_sign = operator == "rms_norm"
    tracer.legs.mark(x.units)
    tracer.legs.restrict(x.units, sign=keeps_sign)
    node, out = _normalised(tracer, operator, x.units, eps)
    return _affine(tracer, x, node, out, weight, bias, axis, keeps_sign)


def _normalized_axis(x: Value, normalized_shape: list[int]) -> int:
    """The axis of the units, counted from the end, if it is one of those that are normalised."""
    axis = -1 if x.label is None else min(full_axes(x.label), default=-1)
    if -axis > len(normalized_shape):
        raise NotCovered("a form that treats every unit by itself")
    return axis


def _normalised(tracer: Tracer, operator: str, label: Label, eps: float) -> tuple[int, Label]:
    out = fresh(tracer, label)
    node = tracer.add_node(operator, out[LEG], eps=eps)
    result = with_node(out, node)
    tracer.use("operand", node, None, label, result, label)
    return node, result


def _affine(
    tracer: Tracer,
    x: Value,
    node: int,
    out: Label,
    weight: Value | None,
    bias: Value | None,
    axis: int,
    keeps_sign: bool,
) -> Value:
    """Γ · x̂ + β, where x̂ has no magnitude, and the sign of x or none."""
    sign = 1 if keeps_sign else 0
    if weight is None:
        tracer.legs.relate(out, x.units, magnitude=(1, 0), sign=(1, sign))
    else:
        gain = _vector(tracer, weight, x, axis)
        tracer.legs.relate(out, gain, x.units, magnitude=(1, -1, 0), sign=(1, 1, sign))
        tracer.use("gain", node, weight.tensor, gain, out)
    if bias is not None:
        shift = _vector(tracer, bias, x, axis)
        tracer.legs.equal(shift, out)
        tracer.use("shift", node, bias.tensor, shift, out)
    return tracer.result(out)


def _vector(tracer: Tracer, vector: Value, x: Value, axis: int) -> Label:
    """The legs of a parameter with an entry for each unit along ``axis``, laid along it."""
    label = tracer.axis(vector, 0 if axis == 1 else axis)
    return label.reshape(3, -1, *[1] * (len(x.shape) - 2)) if axis == 1 else label
