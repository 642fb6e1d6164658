"""Operators that remove means: where it begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wsgraph.trace.additive.blind import Blind, constant_along, narrowed, times
from wsgraph.trace.additive.calls import Call, Pulled, backward, dims_of, is_tensor, shape_of


@backward("softmax", "_softmax", "log_softmax", "_log_softmax")
def softmax(call: Call) -> Pulled:
    """What is added to all numbers is lost."""
    x = call.first("self", "input")
    yield x, [constant_along(shape_of(x), [call["dim"]], holes=True)]


@backward("argmax", "argmin")
def argmax(call: Call) -> Pulled:
    """The place of the largest number."""
    x, dim = call["self"], call["dim"]
    yield x, [constant_along(shape_of(x), dims_of(dim, len(shape_of(x))))]


@backward("var", "std")
def variance(call: Call) -> Pulled:
    """Deviations from a mean."""
    x = call["self"]
    yield x, [constant_along(shape_of(x), dims_of(call.first("dim"), len(shape_of(x))))]


@backward("layer_norm", "native_layer_norm")
def layer_norm(call: Call) -> Pulled:
    """The last axes to mean 0."""
    x = call["input"]
    shape = shape_of(x)
    yield x, [constant_along(shape, range(len(shape) - len(call["normalized_shape"]), len(shape)))]
    yield from _affine(call, shape, call["weight"], call["bias"])


@backward("group_norm")
def group_norm(call: Call) -> Pulled:
    """Groups of channels to mean 0."""
    x, groups = call["input"], int(call["num_groups"])
    shape = shape_of(x)
    blind = constant_along(shape, range(2, len(shape)))
    yield x, [blind.at(1, np.arange(shape[1]) // (shape[1] // groups))]
    yield from _affine(call, shape, call["weight"], call["bias"], axis=1)


@backward("instance_norm")
def instance_norm(call: Call) -> Pulled:
    """Every channel of every sample to mean 0, or by stored numbers."""
    if not call["use_input_stats"]:
        yield from _stored(call, call["input"])
        return
    shape = shape_of(call["input"])
    yield call["input"], [constant_along(shape, range(2, len(shape)))]
    yield from _affine(call, shape, call["weight"], call["bias"], axis=1)


@backward("batch_norm", "_native_batch_norm_legit_no_training")
def batch_norm(call: Call) -> Pulled:
    """Every channel by stored numbers, or to mean 0 over the samples, too."""
    x = call["input"]
    if not call.arguments.get("training", False) and is_tensor(call["running_mean"]):
        yield from _stored(call, x)
        return
    shape = shape_of(x)
    yield x, [constant_along(shape, [a for a in range(len(shape)) if a != 1])]
    yield from _affine(call, shape, call["weight"], call["bias"], axis=1)


def _stored(call: Call, x: Any) -> Pulled:
    """(x - m) / √v γ + β: a multiple of x for each channel."""
    shape = shape_of(x)
    channels = (shape[1], *[1] * (len(shape) - 2))
    yield from call.hand(x, lambda blind: times(blind, channels))
    mean = call["running_mean"]
    if is_tensor(mean):
        yield from call.hand(mean, lambda blind: _along(times(blind, channels), shape_of(mean), 1))
    yield from _affine(call, shape, call["weight"], call["bias"], axis=1)


def _affine(call: Call, shape: Sequence[int], weight: Any, bias: Any, axis: int | None = None) -> Pulled:
    """A gain, which is multiplied by numbers that differ everywhere, and a shift, of the last axes or of one."""
    if is_tensor(weight):
        own = shape_of(weight)
        yield from call.hand(weight, lambda blind: _along(times(blind, shape), own, axis))
    if is_tensor(bias):
        yield from call.hand(bias, lambda blind: _along(blind, shape_of(bias), axis))


def _along(blind: Blind | None, own: tuple[int, ...], axis: int | None) -> Blind | None:
    """What may be added to a vector that lies along one axis of a value, or to a tensor of its last axes."""
    if blind is None:
        return None
    if axis is None:
        return narrowed(blind, own)
    lain = narrowed(blind, (*own, *[1] * (len(blind.labels) - 1 - axis)))
    return None if lain is None else Blind(lain.labels[:1], lain.holes, lain.read)
