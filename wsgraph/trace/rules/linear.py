"""Linear maps: matrix products with a parameter, convolutions, embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np

from wsgraph.trace.legs import LEG, Label
from wsgraph.trace.registry import rule
from wsgraph.trace.tracer import Tracer, make_label
from wsgraph.trace.value import NotCovered, Value, laid, span, with_node

CONVOLUTIONS = ("conv1d", "conv2d", "conv3d")
TRANSPOSED = ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")


@rule("linear")
def linear(tracer: Tracer, input: Value, weight: Value, bias: Value | None = None) -> Value:
    """Y = x Wᵀ + b."""
    return linear_map(tracer, input, -1, weight, out_axis=0, in_axis=1, bias=bias)


@rule(*CONVOLUTIONS)
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
    _pin_pixels(tracer, input, axis)
    if groups > 1 and groups == input.shape[axis]:
        return depthwise(tracer, input, axis, weight, bias)
    return linear_map(tracer, input, axis, weight, out_axis=0, in_axis=1, bias=bias, groups=groups)


@rule(*TRANSPOSED)
def conv_transpose(
    tracer: Tracer,
    input: Value,
    weight: Value,
    bias: Value | None = None,
    stride: object = 1,
    padding: object = 0,
    output_padding: object = 0,
    groups: int = 1,
    dilation: object = 1,
) -> Value:
    """Transposed convolutions, whose weights have the sources first."""
    axis = 1 - len(weight.shape)
    _pin_pixels(tracer, input, axis)
    if groups > 1 and groups == input.shape[axis] == weight.shape[0] and weight.shape[1] == 1:
        return depthwise(tracer, input, axis, weight, bias)
    return linear_map(tracer, input, axis, weight, out_axis=1, in_axis=0, bias=bias, groups=groups)


def _pin_pixels(tracer: Tracer, x: Value, axis: int) -> None:
    """Units that are pixels, and not channels, keep their places under a kernel."""
    for label in x.labels:
        if any(a > axis for a in span(label)) and axis not in span(label):
            tracer.legs.pin(label)


@rule("convolution")
def convolution(
    tracer: Tracer,
    input: Value,
    weight: Value,
    bias: Value | None,
    stride: object,
    padding: object,
    dilation: object,
    transposed: bool,
    output_padding: object,
    groups: int,
) -> Value:
    """The general form of both."""
    if transposed:
        return conv_transpose(tracer, input, weight, bias, stride, padding, output_padding, groups, dilation)
    return conv(tracer, input, weight, bias, stride, padding, dilation, groups)


@rule("embedding", "embedding_bag")
def embedding(tracer: Tracer, weight: Value, indices: Value, *options: Any, **more: Any) -> Value | tuple[Value, ...]:
    """Rows of a table: the rows are tokens, which stay; the columns are units."""
    several = tracer.shape if isinstance(tracer.shape, list) else None
    if several:
        tracer.shape = several[0]
    rows, columns = tracer.axes(weight, (0, 1))
    tracer.legs.pin(rows)
    tokens = tracer.legs.new(weight.shape[0])
    source = make_label(tokens, tracer.add_node("data", tokens, name=f"{tracer.name()}.tokens"))
    tracer.legs.pin(source)
    tracer.legs.equal(_flat(rows), source)
    units = _flat(columns)
    node = tracer.add_node("linear", units[LEG])
    if weight.tensor is not None:
        tracer.weight(node, weight.tensor, units, _flat(rows), source)
    result = tracer.result(with_node(laid(units, -1, len(tracer.shape)), node))
    return (result, *(Value(tuple(s), name=tracer.call) for s in several[1:] if s is not None)) if several else result


@rule("_grouped_mm", "grouped_mm_fallback")
def experts(tracer: Tracer, input: Value, weight: Value, *options: Any, **more: Any) -> Value:
    """Rows of several groups, each times a matrix of its own: the units of all matrices move together."""
    if len(weight.shape) != 3:
        raise NotCovered("a form with one matrix")
    return linear_map(tracer, input, -1, weight, out_axis=2, in_axis=1)


@rule("bilinear")
def bilinear(tracer: Tracer, first: Value, second: Value, weight: Value, bias: Value | None = None) -> Value:
    """y_k = Σ_ij x_i W_kij z_j + b_k."""
    labels = tracer.axes(weight, (0, 1, 2))
    left, right = (tracer.units_along(v, -1)[1] for v in (first, second))
    for inner, met in ((labels[1], left), (labels[2], right)):
        tracer.legs.inverse(laid(_flat(inner), -1, len(first.shape)), met)
    out = _flat(labels[0])
    node = tracer.add_node("linear", out[LEG])
    tracer.weight(node, _stored(weight), out, laid(_flat(labels[1]), -1, len(first.shape)), left)
    tracer.weight(node, _stored(weight), out, laid(_flat(labels[2]), -1, len(first.shape)), right)
    label = with_node(laid(out, -1, len(tracer.shape)), node)
    add_vector(tracer, "bias", bias, node, label, -1)
    return tracer.result(label)


def linear_map(
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

    W's legs along ``out_axis`` are the units of the result, along the same axis. Units of x along other axes stay.
    """
    if not weight.is_parameter:
        raise NotCovered("a form with computed numbers in place of a parameter")
    x, units = tracer.units_along(x, axis)
    weight = tracer.opened(weight, (out_axis, in_axis), pieces=groups)
    out, inner = (_of_axis(tracer, weight, a) for a in (out_axis, in_axis))
    _refuse_others(tracer, weight, (out, inner))
    flat_out, flat_in = _flat_axes(weight, out, inner, out_axis, in_axis, groups)
    if groups > 1:
        pieces = tracer.legs.new(groups)
        for legs in (flat_out, flat_in):
            whole = make_label(pieces.repeat(legs.shape[1] // groups), -1)
            tracer.legs.nest(legs, parent=whole, linear=True)
    meeting = laid(flat_in, axis, len(x.shape))
    tracer.legs.inverse(meeting, units)
    node = tracer.add_node("linear", flat_out[LEG])
    label = with_node(laid(flat_out, axis, len(tracer.shape)), node)
    _use_weight(tracer, node, weight, flat_out, meeting, units, out_axis=out_axis, in_axis=in_axis, groups=groups)
    add_vector(tracer, "bias", bias, node, label, axis)
    return tracer.result(label, *tracer.bystanders(x, units, node, keeps_multiplier=bias is None))


def depthwise(tracer: Tracer, x: Value, axis: int, weight: Value, bias: Value | None) -> Value:
    """Filters for each channel: diagonals, so the units of x go on, rescaled; several filters make parts of a unit."""
    x, units = tracer.units_along(x, axis)
    inner = laid(_flat(tracer.axis(weight, 0)), axis, len(x.shape))
    legs = tracer.legs.new(weight.shape[0])
    node = tracer.add_node("linear", legs)
    label = laid(make_label(legs, node), axis, len(x.shape))
    count = weight.shape[0] // x.shape[axis]
    source = units.repeat(count, axis=units.ndim + axis) if count > 1 else units
    if count == 1:
        tracer.legs.relate(label, inner, source, magnitude=(1, -1, -1), sign=(1, 1, 1))
    else:
        tracer.legs.nest(label, inner, parent=source, magnitude=(1, -1, -1), sign=(1, 1, 1))
    if weight.tensor is not None:
        tracer.use("weight", node, weight.tensor, inner, label, source)
    else:
        tracer.enter("part", node, weight, inner, label)
    add_vector(tracer, "bias", bias, node, label, axis)
    return tracer.result(label, *tracer.bystanders(x, units, node, keeps_multiplier=bias is None))


def add_vector(tracer: Tracer, role: str, vector: Value | None, node: int, label: Label, axis: int) -> None:
    """A parameter with one entry for each unit along ``axis`` that is added to the units: same multiplier."""
    if vector is None:
        return
    legs = laid(_flat(tracer.axis(vector, 0)), axis, label.ndim - 1)
    tracer.legs.equal(legs, label)
    tracer.enter(role, node, vector, legs, label)


def _use_weight(
    tracer: Tracer,
    node: int,
    weight: Value,
    out: Label,
    meeting: Label,
    source: Label,
    *,
    out_axis: int,
    in_axis: int,
    groups: int,
) -> None:
    """Record the weight, or the tensors that a computed weight is made of."""
    if weight.tensor is not None:
        tracer.weight(node, weight.tensor, out, meeting, source)
        return
    for tensor, labels in weight.members:
        own = Value(weight.shape, labels)
        targets, sources = own.along(out_axis), own.along(in_axis)
        if len(targets) == 1 and targets[0].size == out.size and groups == 1:
            rows = np.stack([targets[0][LEG].reshape(-1), out[LEG].reshape(-1)])
            inner = sources[0].reshape(meeting.shape) if len(sources) == 1 and sources[0].size == meeting.size else None
            tracer.part(node, tensor, rows, inner, source)


def _of_axis(tracer: Tracer, weight: Value, axis: int) -> Label:
    """The label of a weight along one axis; of an axis of one entry, the one of its labels that is one unit."""
    found = weight.along(axis)
    if len(found) > 1 and axis == 0:  # the labels of the other axis may differ from piece to piece
        found = tuple(label for label in found if span(label) == {-len(weight.shape)}) or found[:1]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotCovered("a form in which an axis of a weight has units of two kinds")
    if weight.shape[axis] == 1 and weight.tensor is not None:
        known = tracer.tensor_labels[weight.tensor]
        for axes, label in known.items():
            if any(label is own for own in weight.labels) and axes == (axis,):
                return label
    legs = tracer.legs.new(weight.shape[axis])  # numbers that no parameter gives a unit of its own
    label = make_label(legs, -1)
    tracer.legs.pin(label)
    return laid(label, axis, len(weight.shape))


def _refuse_others(tracer: Tracer, weight: Value, used: tuple[Label, ...]) -> None:
    """Units of a weight along its kernel axes do not move."""
    for label in weight.labels:
        if not any(label is u for u in used):
            tracer.legs.pin(label)


def _flat_axes(
    weight: Value, out: Label, inner: Label, out_axis: int, in_axis: int, groups: int
) -> tuple[Label, Label]:
    """Legs of the outputs and of the inputs, those of all groups one after another, ``[3, n]``."""
    if groups == 1:
        if out.size != 3 * weight.shape[out_axis] or inner.size != 3 * weight.shape[in_axis]:
            raise NotCovered("a form in which the units of a weight lie along several of its axes")
        return _flat(out), _flat(inner)
    first, second = (out, inner) if out_axis == 0 else (inner, out)  # the second lies in pieces of the first
    rows = second.reshape(3, second.shape[1], -1)
    rows = np.broadcast_to(rows, (3, weight.shape[0], rows.shape[2]))
    pieces = rows[:, np.arange(groups) * (weight.shape[0] // groups)].reshape(3, -1)
    return (_flat(first), pieces) if out_axis == 0 else (pieces, _flat(first))


def _flat(label: Label) -> Label:
    """The label of one axis, ``[3, n]``."""
    return label.reshape(3, -1)


def _stored(weight: Value) -> str:
    if weight.tensor is None:
        raise NotCovered("a form with computed numbers in place of a parameter")
    return weight.tensor
