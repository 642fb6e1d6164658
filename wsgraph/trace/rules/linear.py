"""Linear maps: matrix products with a parameter, and convolutions."""

from __future__ import annotations

import numpy as np

from wsgraph.trace.legs import LEG, NODE, SITE, Label, mix
from wsgraph.trace.registry import rule
from wsgraph.trace.tracer import Tracer, make_label
from wsgraph.trace.value import Value, along, with_node


@rule("linear")
def linear(tracer: Tracer, input: Value, weight: Value, bias: Value | None = None) -> Value:
    """Y = x Wᵀ + b."""
    return contract(tracer, input, -1, weight, out_axis=0, in_axis=1, bias=bias)


@rule("matmul", "mm")
def matmul(tracer: Tracer, input: Value, other: Value) -> Value:
    """Y = x W, or W x, with a parameter W."""
    if _is_matrix(other):
        return contract(tracer, input, -1, other, out_axis=1, in_axis=0)
    if _is_matrix(input) and len(other.shape) > 1:
        return contract(tracer, other, -2, input, out_axis=0, in_axis=1)
    tracer.pin([input, other], "no rule for a product of two computed values")
    return tracer.result()


@rule("addmm")
def addmm(tracer: Tracer, bias: Value, input: Value, weight: Value, beta: float = 1, alpha: float = 1) -> Value:
    """Y = b + x W."""
    if not _is_matrix(weight) or len(bias.shape) != 1 or beta != 1:
        tracer.pin([bias, input, weight], "no rule for a product of two computed values")
        return tracer.result()
    return contract(tracer, input, -1, weight, out_axis=1, in_axis=0, bias=bias)


@rule("conv1d", "conv2d", "conv3d")
def conv(
    tracer: Tracer,
    input: Value,
    weight: Value,
    bias: Value | None = None,
    stride: object = 1,
    padding: object = 0,
    dilation: object = 1,
    groups: int = 1,
) -> Value:
    """Convolutions of any stride, padding and dilation: linear maps between channels, with kernel axes."""
    axis = 1 - len(weight.shape)  # of the channels, counted from the end
    if groups == 1:
        return contract(tracer, input, axis, weight, out_axis=0, in_axis=1, bias=bias)
    if groups == input.shape[axis]:
        return depthwise(tracer, input, axis, weight, bias)
    return contract(tracer, input, axis, weight, out_axis=0, in_axis=1, bias=bias, groups=groups)


def contract(
    tracer: Tracer,
    x: Value,
    axis: int,
    weight: Value,
    *,
    out_axis: int,
    in_axis: int,
    bias: Value | None = None,
    groups: int = 1,
) -> Value:
    """Sum over the units along one axis (counted from the end): W's legs there are the inverse of x's.

    W's legs along ``out_axis`` are the units of the result, along the same axis.
    """
    x = tracer.units_along(x, axis)
    out = flat(tracer.axis(weight, out_axis))
    inner = _inner_legs(tracer.axis(weight, in_axis, groups), out_axis, weight.shape[out_axis], groups)
    if groups > 1:  # units of different groups are not alike
        out, inner = _mark_groups(out, groups), _mark_groups(inner, groups)
        tracer.legs.mark(out)
    meeting = along(inner, axis, len(x.shape))
    tracer.legs.relate(meeting, x.units, magnitude=(1, 1), sign=(1, 1))
    node = tracer.add_node("linear", out[LEG])
    tracer.weight(node, weight.tensor, out, meeting, x.units)
    label = with_node(along(out, axis, len(tracer.shape)), node)
    add_vector(tracer, "bias", bias, node, label, axis)
    return tracer.result(label)


def depthwise(tracer: Tracer, x: Value, axis: int, weight: Value, bias: Value | None) -> Value:
    """Filters for each channel: diagonals, so the units of x go on (as many copies as filters), rescaled."""
    x = tracer.units_along(x, axis)
    source = _copies(x.units, axis, weight.shape[0] // x.shape[axis])
    inner = along(flat(tracer.axis(weight, 0)), axis, len(x.shape))
    legs = tracer.legs.new(weight.shape[0])
    node = tracer.add_node("linear", legs)
    label = along(make_label(legs, node), axis, len(x.shape))
    tracer.legs.relate(label, inner, source, magnitude=(1, -1, -1), sign=(1, 1, 1))
    tracer.use("weight", node, weight.tensor, inner, label, source)
    add_vector(tracer, "bias", bias, node, label, axis)
    return tracer.result(label)


def _copies(label: Label, axis: int, count: int) -> Label:
    """Each unit along an axis several times, every copy at a site of its own."""
    repeated = label.repeat(count, axis=axis)
    number = np.arange(repeated.shape[axis]) % count
    shape = [1] * (label.ndim - 1)
    shape[axis] = -1
    site = mix(repeated[SITE], number.reshape(shape))
    return np.stack([repeated[LEG], np.broadcast_to(site, repeated[LEG].shape), repeated[NODE]])


def add_vector(tracer: Tracer, role: str, vector: Value | None, node: int, label: Label, axis: int) -> None:
    """A parameter with one entry for each unit along ``axis`` that is added to the units: same multiplier."""
    if vector is None:
        return
    legs = along(flat(tracer.axis(vector, 0)), axis, label.ndim - 1)
    tracer.legs.equal(legs, label)
    tracer.use(role, node, vector.tensor, legs, label)


def flat(label: Label) -> Label:
    """The label of one axis, ``[3, n]``."""
    return label.reshape(3, -1)


def _is_matrix(value: Value) -> bool:
    return value.is_parameter and len(value.shape) == 2


def _inner_legs(label: Label, out_axis: int, num_out: int, groups: int) -> Label:
    """Legs of the inputs of all groups, ``[3, groups * n_in]``; a group's are those of its first output."""
    label = label.reshape(3, label.shape[out_axis + 1], -1)
    label = np.broadcast_to(label, (3, num_out, label.shape[2]))
    return label[:, np.arange(groups) * (num_out // groups)].reshape(3, -1)


def _mark_groups(label: Label, groups: int) -> Label:
    number = np.repeat(np.arange(groups), label.shape[1] // groups)
    return np.stack([label[LEG], mix(label[SITE], number), label[NODE]])
