"""Shape operators: they do to what is added what they do to the value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate

import numpy as np

from wsgraph.trace.additive.blind import (
    Blind,
    Family,
    anything,
    is_free,
    kept,
    linked,
    narrowed,
    numbered,
    reshaped,
    useful,
)
from wsgraph.trace.additive.calls import Call, Pulled, backward, is_tensor, shape_of
from wsgraph.trace.legs import Ints
from wsgraph.trace.rules.shape import _new_order


@backward("view", "reshape", "_unsafe_view", "flatten", "unflatten", "_reshape_alias", "squeeze", "unsqueeze")
def view(call: Call) -> Pulled:
    """Anything that keeps the order of the entries."""
    if "dtype" not in call.arguments:  # or the same bits as other numbers
        yield from call.hand(call["self"], lambda blind: reshaped(blind, shape_of(call["self"])))


@backward("permute", "transpose", "t", "numpy_T", "swapaxes", "swapdims", "movedim", "moveaxis", "mT", "adjoint")
def permute(call: Call) -> Pulled:
    """A new order of the axes."""
    order = _new_order(call.name, len(shape_of(call["self"])), tuple(call.arguments.values())[1:])
    back = [order.index(axis) for axis in range(len(order))]
    yield from call.hand(call["self"], lambda blind: replace(blind, labels=tuple(blind.labels[a] for a in back)))


@backward("expand", "expand_as", "broadcast_to")
def expand(call: Call) -> Pulled:
    """Repeats along axes of size 1."""
    yield from call.hand(call["self"], lambda blind: narrowed(blind, shape_of(call["self"])))
    if is_tensor(call.first("other")):
        yield call["other"], [anything(shape_of(call["other"]))]


@backward("slice", "narrow")
def slice_(call: Call) -> Pulled:
    """A range of one axis."""
    start, end = call["start"], call.first("end")
    if call.name == "narrow":
        end = start + call["length"]
    yield from _taken(call, call["dim"], slice(start, end, call.arguments.get("step", 1)))


@backward("select")
def select(call: Call) -> Pulled:
    """One index of one axis, which goes away."""
    axis, index = call["dim"] % len(shape_of(call["self"])), call["index"]
    back = [
        replace(blind, labels=(*blind.labels[:axis], np.zeros(1, dtype=np.int64), *blind.labels[axis:]))
        for blind in call.family
    ]
    yield call["self"], _from_part(back, shape_of(call["self"]), axis, slice(index, index + 1 or None))


@backward("chunk", "split", "split_with_sizes", "tensor_split", "unsafe_chunk", "unsafe_split", several=True)
def split(call: Call) -> Pulled:
    """Consecutive pieces of one axis."""
    shape, axis = shape_of(call["self"]), call["dim"]
    ends = list(accumulate((int(v.shape[axis]) for v in call.node.meta["val"]), initial=0))
    for family, start, end in zip(call.families, ends[:-1], ends[1:], strict=True):
        yield call["self"], _from_part(family, shape, axis % len(shape), slice(start, end))


@backward("unbind", several=True)
def unbind(call: Call) -> Pulled:
    """All indices of one axis, one by one."""
    shape = shape_of(call["self"])
    axis = call["dim"] % len(shape)
    for index, family in enumerate(call.families):
        one = np.zeros(1, dtype=np.int64)
        back = [replace(b, labels=(*b.labels[:axis], one, *b.labels[axis:])) for b in family]
        yield call["self"], _from_part(back, shape, axis, slice(index, index + 1))


@backward("flip")
def flip(call: Call) -> Pulled:
    """Axes backwards."""
    dims = {d % len(shape_of(call["self"])) for d in call["dims"]}

    def change(blind: Blind) -> Blind:
        turned = (numbered(label[::-1]) if a in dims else label for a, label in enumerate(blind.labels))
        return replace(blind, labels=tuple(turned))

    yield from call.hand(call["self"], change)


@backward("roll")
def roll(call: Call) -> Pulled:
    """Axes turned round."""
    shifts, dims = call["shifts"], call["dims"]

    def change(blind: Blind) -> Blind:
        for shift, dim in zip(shifts, dims, strict=True):
            blind = blind.at(dim, numbered(np.roll(blind.labels[dim], -shift)))
        return blind

    if dims:
        yield from call.hand(call["self"], change)


@backward("repeat_interleave")
def repeat_interleave(call: Call) -> Pulled:
    """Every entry of one axis several times."""
    count, dim = call["repeats"] if "repeats" in call.arguments else None, call.first("dim")
    if isinstance(count, int) and dim is not None:
        size = shape_of(call["self"])[dim]
        source = np.repeat(np.arange(size), count)
        yield call["self"], kept(before(blind, dim, source, size) for blind in call.family)


@backward("repeat", "tile")
def repeat(call: Call) -> Pulled:
    """Copies along any axes."""
    shape = shape_of(call["self"])

    def change(blind: Blind) -> Blind | None:
        lead = len(blind.labels) - len(shape)
        whole: Blind | None = narrowed(blind, blind.shape[lead:])
        for axis, size in enumerate(shape):
            if whole is not None:
                whole = before(whole, axis, np.arange(whole.shape[axis]) % max(size, 1), size)
        return whole

    yield from call.hand(call["self"], change)


@backward("cat", "concat", "concatenate")
def cat(call: Call) -> Pulled:
    """Values one after another: what a class has in other values stays, so it all stays."""
    dim, start = call["dim"], 0
    for node in call["tensors"]:
        size = shape_of(node)[dim] if len(shape_of(node)) == len(call.node.meta["val"].shape) else 0
        end = start + size
        if size:
            yield from call.hand(node, partial(_alone, axis=dim, start=start, end=end))
        start = end


@backward("stack")
def stack(call: Call) -> Pulled:
    """Values beside each other along a new axis."""
    axis = call["dim"] % len(call.node.meta["val"].shape)

    def change(blind: Blind, index: int) -> Blind | None:
        part = _alone(blind, axis, index, index + 1)
        return None if part is None else replace(part, labels=(*part.labels[:axis], *part.labels[axis + 1 :]))

    for index, node in enumerate(call["tensors"]):
        yield from call.hand(node, partial(change, index=index))


@backward("constant_pad_nd", "pad")
def pad(call: Call) -> Pulled:
    """Entries around some axes that do not change."""
    shape, widths = shape_of(call["self"]), call["pad"]

    def change(blind: Blind) -> Blind | None:
        found: Blind | None = blind
        for i in range(0, len(widths), 2):
            axis = len(shape) - 1 - i // 2
            if found is not None:
                found = _alone(found, axis, widths[i], widths[i] + shape[axis])
        return found

    if min(widths, default=0) >= 0 and call.arguments.get("mode", "constant") == "constant":
        yield from call.hand(call["self"], change)


def _alone(blind: Blind, axis: int, start: int, end: int) -> Blind | None:
    """The part of an axis, in which classes that other parts have, too, stay."""
    label = blind.labels[axis]
    beyond = np.concatenate([label[:start], label[end:]])
    part = label[start:end]
    return useful(blind.at(axis, numbered(np.where(np.isin(part, beyond), -1, part))))


def _taken(call: Call, dim: int, part: slice) -> Pulled:
    shape = shape_of(call["self"])
    yield call["self"], _from_part(call.family, shape, dim % len(shape), part)


def _from_part(family: Family, shape: Sequence[int], axis: int, part: slice) -> Family:
    """What may be added to a value of which some indices are taken: anything to the others, as far as this goes."""
    source = np.arange(shape[axis])[part]
    found = [before(blind, axis, source, shape[axis]) for blind in family]
    if len(source) < shape[axis]:
        outside = np.arange(shape[axis])
        outside[source] = -1
        found.append(useful(anything(shape).at(axis, numbered(outside))))
    return kept(found)


def before(blind: Blind, axis: int, source: Ints, size: int) -> Blind | None:
    """What may be added to a value whose indices ``source`` along an axis are taken, one after another."""
    label = blind.labels[axis]
    if len(source) == size and is_free(source):
        return blind
    found = np.arange(size)
    sets = linked(source, label + 1)
    found[: len(sets)] = sets
    still = np.isin(found, found[source[label < 0]])
    return useful(blind.at(axis, numbered(np.where(still, -1, found))))
