"""Shape operators: they do to the labels exactly what they do to the tensor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from wsgraph.trace.legs import Label
from wsgraph.trace.registry import rule
from wsgraph.trace.sharing import copied, with_copies
from wsgraph.trace.tracer import Tracer
from wsgraph.trace.value import NotCovered, Value, matching_axes, moved, raised, reshape, retag


@rule(
    "view",
    "reshape",
    "_unsafe_view",
    "flatten",
    "unflatten",
    "_reshape_alias",
    "squeeze",
    "unsqueeze",
    "view_as",
    "reshape_as",
)
def view(tracer: Tracer, x: Value, *args: Any, **kwargs: Any) -> Value:
    """Anything that keeps the order of the entries."""
    if x.is_raw:
        x = tracer.opened_jointly(x, _merged_axes(x.shape, tracer.shape))
    result = rearranged(
        tracer, x, lambda label: reshape(with_copies(tracer, label, x, tracer.shape), x.shape, tracer.shape)
    )
    return replace(result, repeated=_repeated_after(x, tracer.shape))


def _repeated_after(x: Value, shape: tuple[int, ...]) -> frozenset[int]:
    """The axes of a new shape that are made of axes along which all entries are equal."""
    found: set[int] = set()
    start, end = -len(x.shape), -len(shape)
    for old, new in matching_axes(x.shape, shape):
        axes = range(start, start + len(old))
        if all(n == 1 or a in x.repeated for a, n in zip(axes, old, strict=True)):
            found.update(a for a, n in enumerate(new, end) if n > 1)
        start, end = start + len(old), end + len(new)
    return frozenset(found)


def _merged_axes(old: tuple[int, ...], new: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Axes of several entries, those that are merged with one another together."""
    groups, position = [], 0
    for old_part, new_part in matching_axes(old, new):
        axes = tuple(a for a in range(position, position + len(old_part)) if old[a] > 1)
        position += len(old_part)
        if axes and len([n for n in new_part if n > 1]) < len(axes):
            groups.append(axes)
        else:
            groups += [(a,) for a in axes]
    return groups


@rule(
    "permute", "transpose", "t", "numpy_T", "swapaxes", "swapdims", "movedim", "moveaxis", "adjoint", "mT", "matrix_H"
)
def permute(tracer: Tracer, x: Value, *args: Any) -> Value:
    """A new order of the axes."""
    return permuted(tracer, x, _new_order(tracer.operator, len(x.shape), args))


def permuted(tracer: Tracer, x: Value, order: list[int], shape: Any = None) -> Value:
    """The value with its axes in another order."""
    result = rearranged(tracer, tracer.opened(x), lambda label: label.transpose(0, *(a + 1 for a in order)), shape)
    rank = len(order)
    return replace(result, repeated=frozenset(i - rank for i, a in enumerate(order) if a - rank in x.repeated))


@rule("expand", "expand_as", "broadcast_to")
def expand(tracer: Tracer, x: Value, *args: Any, **kwargs: Any) -> Value:
    """Repeats along axes of size 1: what has no meaning there needs no change."""
    result = rearranged(tracer, tracer.opened(x), lambda label: raised(label, len(tracer.shape)))
    rank = len(x.shape)
    repeated = (-i - 1 for i, n in enumerate(reversed(tracer.shape)) if n > 1 and (i >= rank or x.shape[-i - 1] == 1))
    return replace(result, repeated=frozenset(repeated))


@rule("slice", "narrow")
def slice_(
    tracer: Tracer, x: Value, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Value:
    """A range of one axis."""
    if tracer.operator == "narrow":
        end = (start or 0) + (end or 0)
    return take(tracer, x, dim, slice(start, end, step))


@rule("select")
def select(tracer: Tracer, x: Value, dim: int, index: int) -> Value:
    """One index of one axis, which goes away."""
    dim %= len(x.shape)
    picked = take(tracer, x, dim, slice(index, index + 1 or None))
    return rearranged(tracer, picked, lambda label: label.squeeze(dim + 1), shape=tracer.shape)


@rule("chunk", "split", "split_with_sizes", "tensor_split", "unsafe_chunk", "unsafe_split")
def split(tracer: Tracer, x: Value, sizes: Any, dim: int = 0) -> tuple[Value, ...]:
    """Consecutive pieces of one axis."""
    ends = np.cumsum([0, *(shape[dim] for shape in tracer.shape)])
    return tuple(take(tracer, x, dim, slice(int(a), int(b))) for a, b in pairwise(ends))


@rule("unbind")
def unbind(tracer: Tracer, x: Value, dim: int = 0) -> tuple[Value, ...]:
    """All indices of one axis, one by one."""
    shapes = tracer.shape
    results = []
    for index, shape in enumerate(shapes):
        tracer.shape = shape
        results.append(select(tracer, x, dim, index))
    return tuple(results)


@rule("flip")
def flip(tracer: Tracer, x: Value, dims: list[int]) -> Value:
    """Axes backwards."""
    for dim in dims:
        x = take(tracer, x, dim, slice(None, None, -1))
    return x


@rule("roll")
def roll(tracer: Tracer, x: Value, shifts: Any, dims: Any = ()) -> Value:
    """Axes turned round."""
    shifts, dims = (list(v) if isinstance(v, list | tuple) else [v] for v in (shifts, dims))
    if not dims:
        raise NotCovered("a form that rolls all axes as one")

    def turned(label: Label) -> Label:
        for shift, dim in zip(shifts, dims, strict=True):
            label = np.roll(label, shift, axis=dim % len(x.shape) + 1)
        return other_copy(tracer, label)

    return rearranged(tracer, tracer.opened(x), turned)


@rule("repeat", "tile")
def repeat(tracer: Tracer, x: Value, repeats: list[int]) -> Value:
    """Copies along any axes."""
    counts = [1] * (len(tracer.shape) - len(repeats)) + list(repeats)

    def tiled(label: Label) -> Label:
        label = raised(label, len(tracer.shape))
        times = (1, *(c if n > 1 else 1 for c, n in zip(counts, label.shape[1:], strict=True)))
        return copied(tracer, label, np.tile(label, times))

    result = rearranged(tracer, tracer.opened(x), tiled)
    single = [1] * (len(counts) - len(x.shape)) + list(x.shape)
    same = [i - len(counts) for i, (c, n) in enumerate(zip(counts, single, strict=True)) if n == 1 < c]
    return replace(result, repeated=frozenset(same))


@rule("repeat_interleave")
def repeat_interleave(tracer: Tracer, x: Value, repeats: Any, dim: int | None = None, **options: Any) -> Value:
    """Every entry of one axis several times."""
    if not isinstance(repeats, int) or dim is None:
        raise NotCovered("a form with other numbers of copies for each entry")
    result = rearranged(tracer, tracer.opened(x), lambda label: repeated(tracer, label, repeats, dim % len(x.shape)))
    same = {dim % len(x.shape) - len(x.shape)} if x.shape[dim] == 1 < repeats else ()
    return replace(result, repeated=frozenset(same))


def repeated(tracer: Tracer, label: Label, count: int, dim: int) -> Label:
    """Every entry along an axis several times, each copy at a site of its own."""
    return copied(tracer, label, label.repeat(count, axis=dim + 1)) if label.shape[dim + 1] > 1 else label


@rule("contiguous", "clone", "detach", "alias", "lift_fresh_copy", "lift_fresh", transparent=True)
@rule("to", "_to_copy", "type_as", "float", "double", "half", "bfloat16", transparent=True)
def same(tracer: Tracer, x: Value, *args: Any, **kwargs: Any) -> Value:
    """The same numbers."""
    return replace(x, shape=tuple(tracer.shape))


@rule("copy")
def copy(tracer: Tracer, x: Value, source: Value, *options: Any) -> Value:
    """The numbers of another value in the shape of this one."""
    return expand(tracer, source)


@rule("tril", "triu")
def triangle(tracer: Tracer, x: Value, diagonal: int = 0) -> Value:
    """Zeros on one side of a diagonal of positions."""
    x = tracer.opened(x)
    if x.along(-1) or x.along(-2):
        raise NotCovered("a form in which the positions are units")
    return rearranged(tracer, x, lambda label: other_copy(tracer, label))


@rule("zeros", "zeros_like", "new_zeros", "zero")
def zeros(tracer: Tracer, *args: Any, **kwargs: Any) -> Value:
    """Zeros, which every multiplier leaves alone."""
    return replace(tracer.result(), is_zero=True)


@rule(
    *(f"{kind}_like" for kind in ("ones", "full", "empty", "rand", "randn")),
    *(f"new_{k}" for k in ("ones", "full", "empty")),
    "fill",
)
def constant(tracer: Tracer, *args: Any, **kwargs: Any) -> Value:
    """Numbers that do not depend on the input, only on its shape."""
    return tracer.result()


@rule("_assert_tensor_metadata", "_assert_async", "_assert_scalar", "sym_size", "size", "sym_constrain_range_for_size")
def check(tracer: Tracer, *args: Any, **kwargs: Any) -> None:
    """Checks that the exported program makes; they change nothing."""


def take(tracer: Tracer, x: Value, dim: int, part: slice) -> Value:
    """A part of one axis. Other parts of an axis without units are other copies of the same units."""
    dim %= len(x.shape)
    x = tracer.opened(x)
    size = len(range(x.shape[dim])[part])
    shape = (*x.shape[:dim], size, *x.shape[dim + 1 :])
    whole = size == x.shape[dim] and (part.step or 1) == 1

    def cut(label: Label) -> Label:
        if label.shape[dim + 1] > 1:
            return label[(slice(None),) * (dim + 1) + (part,)]
        return label if whole else retag(other_copy(tracer, label), (part.start or 0) * 1009 + (part.step or 1))

    return rearranged(tracer, x, cut, shape=shape)


def other_copy(tracer: Tracer, label: Label) -> Label:
    """The same units as seen by the operator at hand."""
    return retag(label, len(tracer.nodes) * 4099 + len(tracer.legs.records))


def rearranged(tracer: Tracer, x: Value, change: Callable[[Label], Label], shape: Any = None) -> Value:
    """The value after a change of shape."""
    return moved(x, change, tracer.shape if shape is None else shape, tracer.call)


def _new_order(operator: str, rank: int, args: tuple[Any, ...]) -> list[int]:
    if operator == "permute":
        return [a % rank for a in args[0]]
    order = list(range(rank))
    if operator in ("t", "numpy_T"):
        return order[::-1]
    a, b = args[:2] if args else (-2, -1)
    if operator in ("movedim", "moveaxis"):
        probe = np.moveaxis(np.empty(tuple(range(1, rank + 1))), a, b)
        return [n - 1 for n in probe.shape]
    order[a], order[b] = order[b], order[a]
    return order
