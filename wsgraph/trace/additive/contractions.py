"""Linear maps, convolutions, products of matrices and attention."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from string import ascii_letters
from typing import Any

import numpy as np

from wsgraph.trace.additive.blind import (
    Blind,
    constant_along,
    is_free,
    is_whole,
    kept,
    narrowed,
    numbered,
    singles,
    useful,
)
from wsgraph.trace.additive.calls import Call, Pulled, backward, is_tensor, shape_of
from wsgraph.trace.additive.centred import is_centred
from wsgraph.trace.legs import Ints

Sides = Sequence[tuple[Any, Sequence[str]]]


def contracted(call: Call, sides: Sides, out: Sequence[str]) -> Pulled:
    """The einsum of two values: one may change along an axis of the result if the other says nothing about it."""
    for (node, own), (other, letters) in (sides, sides[::-1]):
        beside = {letter for letter, n in zip(letters, shape_of(other), strict=True) if n > 1}
        sizes = dict(zip(own, shape_of(node), strict=True))
        if len(sizes) == len(own) and len(set(letters)) == len(letters):
            found = [_operand(blind, own, sizes, beside, out) for blind in call.family]
            for axis, letter in enumerate(letters):
                if letter in sizes and letter not in out and is_centred(other, axis - len(letters)):
                    found.append(constant_along(shape_of(node), [own.index(letter)]))
            yield node, kept(found)


def _operand(
    blind: Blind, own: Sequence[str], sizes: dict[str, int], beside: set[str], out: Sequence[str]
) -> Blind | None:
    found: dict[str, Ints] = {letter: np.arange(n) for letter, n in sizes.items()}
    for letter, label in zip(out, blind.labels, strict=True):
        label = singles(label) if letter in beside else label
        if sizes.get(letter, 1) == len(label):
            if letter in sizes:
                found[letter] = label
        elif not is_whole(label):
            return None
    return useful(Blind(tuple(found[letter] for letter in own), False, blind.read))


@backward("linear")
def linear(call: Call) -> Pulled:
    """Y = x Wᵀ + b."""
    x, weight = call["input"], call["weight"]
    rows = ascii_letters[: len(shape_of(x)) - 1]
    yield from contracted(call, ((x, rows + "I"), (weight, "OI")), rows + "O")
    yield from _added(call, call["bias"])


@backward("matmul", "mm", "bmm")
def matmul(call: Call) -> Pulled:
    """Products of matrices, with leading axes that are broadcast."""
    yield from _matrices(call, call["self"], call.first("other", "mat2"))


@backward("addmm", "baddbmm")
def addmm(call: Call) -> Pulled:
    """B + x W."""
    if call["beta"] == 1 and call["alpha"] == 1:
        yield from _matrices(call, call.first("mat1", "batch1"), call.first("mat2", "batch2"))
        yield from _added(call, call["self"])


def _matrices(call: Call, a: Any, b: Any) -> Pulled:
    left, right = shape_of(a), shape_of(b)
    lead = ascii_letters[: max(len(left), len(right), 2) - 2]
    rows, columns = "T" if len(left) > 1 else "", "S" if len(right) > 1 else ""
    own = (lead[len(lead) - max(len(left) - 2, 0) :] + rows + "D", lead[len(lead) - max(len(right) - 2, 0) :] + "D")
    yield from contracted(call, ((a, own[0]), (b, own[1] + columns)), lead + rows + columns)


def _added(call: Call, vector: Any) -> Pulled:
    if is_tensor(vector):
        yield from call.hand(vector, partial(narrowed, shape=shape_of(vector)))


@backward("einsum")
def einsum(call: Call) -> Pulled:
    """Sums of products of two values, in Einstein's notation."""
    equation, nodes = call["equation"].replace(" ", ""), call["tensors"]
    if "." in equation or "->" not in equation or len(nodes) != 2:
        return
    left, out = equation.split("->")
    yield from contracted(call, tuple(zip(nodes, left.split(","), strict=True)), out)


@backward("scaled_dot_product_attention")
def attention(call: Call) -> Pulled:
    """Keys may all get one more vector, in each head; values what the results may."""
    yield call["key"], [constant_along(shape_of(call["key"]), [-2])]
    value = shape_of(call["value"])
    lead = ascii_letters[: len(value) - 2]
    own, out, beside = [*lead, "S", "D"], [*lead, "T", "D"], {*lead, "T"}
    sizes = dict(zip(own, value, strict=True))
    yield from call.hand(call["value"], partial(_operand, own=own, sizes=sizes, beside=beside, out=out))


@backward("conv1d", "conv2d", "conv3d")
def conv(call: Call) -> Pulled:
    """Convolutions: constants stay constants where nothing is padded."""
    weight, groups = shape_of(call["weight"]), int(call["groups"])
    padding = call["padding"]
    bare = padding == "valid" or (not isinstance(padding, str) and not np.any(padding))
    channel = len(call.node.meta["val"].shape) - len(weight) + 1
    yield from call.hand(call["input"], partial(_seen, shape=shape_of(call["input"]), channel=channel, bare=bare))
    group = np.arange(weight[0]) // (weight[0] // groups)
    yield from call.hand(call["weight"], lambda blind: _kernel(blind, weight, channel, 0, group))
    yield from _channels(call, call["bias"], channel)


@backward("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def conv_transpose(call: Call) -> Pulled:
    """Transposed convolutions, whose weights have the sources first."""
    weight = shape_of(call["weight"])
    channel = len(call.node.meta["val"].shape) - len(weight) + 1
    yield from call.hand(call["input"], partial(_seen, shape=shape_of(call["input"]), channel=channel, bare=False))
    if call["groups"] == 1:
        yield from call.hand(
            call["weight"], lambda blind: _kernel(blind, weight, channel, 1, np.zeros(weight[1], dtype=np.int64))
        )
    yield from _channels(call, call["bias"], channel)


def _seen(blind: Blind, shape: tuple[int, ...], channel: int, bare: bool) -> Blind | None:
    """What may be added to the input, if anything may be added to every channel."""
    places = blind.labels[channel + 1 :]
    if not is_free(blind.labels[channel]) or not all(is_whole(label) for label in places):
        return None
    free = all(is_free(label) for label in places)
    if not (free or bare):
        return None
    still = (np.arange(n) if free else np.zeros(n, dtype=np.int64) for n in shape[channel + 1 :])
    return Blind((*blind.labels[:channel], np.arange(shape[channel]), *still), False, blind.read)


def _kernel(blind: Blind, shape: tuple[int, ...], channel: int, out_axis: int, group: Ints) -> Blind | None:
    """What may be added to a kernel, if results may change from place to place: the same for channels of a class."""
    others = (label for axis, label in enumerate(blind.labels) if axis != channel)
    if not all(is_free(label) for label in others):
        return None
    label = blind.labels[channel]
    spans = [number for number in np.unique(label) if len(np.unique(group[label == number])) > 1]
    label = np.where(np.isin(label, spans), -1, label)
    free = [np.arange(n) for n in shape]
    free[out_axis] = numbered(label)
    return useful(Blind(tuple(free), False, blind.read))


def _channels(call: Call, bias: Any, channel: int) -> Pulled:
    def change(blind: Blind) -> Blind | None:
        fits = all(is_whole(label) for axis, label in enumerate(blind.labels) if axis != channel)
        return Blind((blind.labels[channel],), False, blind.read) if fits else None

    if is_tensor(bias):
        yield bias, kept(change(blind) for blind in call.family)
