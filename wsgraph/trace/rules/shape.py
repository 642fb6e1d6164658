"""Shape operators: they do to the labels exactly what they do to the tensor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from wsgraph.trace.legs import LEG, Label
from wsgraph.trace.registry import rule
from wsgraph.trace.tracer import Tracer
from wsgraph.trace.value import Value, number_copies, reshape, retag, with_node


@rule("view", "reshape", "_unsafe_view", "flatten", "unflatten", "_reshape_alias", "squeeze", "unsqueeze")
def view(tracer: Tracer, x: Value, *args: Any) -> Value:
    """Anything that keeps the order of the entries."""
    return _moved(tracer, x, lambda label: reshape(label, x.shape, tracer.shape))


@rule("permute", "transpose", "t", "numpy_T", "swapaxes", "movedim", "adjoint", "mT")
def permute(tracer: Tracer, x: Value, *args: Any) -> Value:
    """A new order of the axes."""
    order = _new_order(tracer.operator, len(x.shape), args)
    moved = _moved(tracer, x, lambda label: label.transpose(0, *(a + 1 for a in order)))
    return replace(moved, axes=tuple(moved.axes[a] for a in order)) if moved.axes else moved


@rule("expand", "expand_as", "broadcast_to")
def expand(tracer: Tracer, x: Value, *args: Any) -> Value:
    """Repeats along axes of size 1: what has no meaning there needs no change."""
    added = len(tracer.shape) - len(x.shape)
    return _moved(tracer, x, lambda label: label.reshape(3, *[1] * added, *label.shape[1:]))


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
    return _moved(tracer, picked, lambda label: label.squeeze(dim + 1), shape=tracer.shape)


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


@rule("cat", "concat", "concatenate")
def cat(tracer: Tracer, tensors: list[Value], dim: int = 0) -> Value:
    """Values one after another: along their units, or along an axis without a meaning (then the units join)."""
    tensors = [t for t in tensors if t.shape != (0,)]
    if all(t.label is None for t in tensors):
        tracer.pin([t for t in tensors if t.is_parameter], "no rule for a concatenation of parameters")
        return tracer.result()
    dim %= len(tracer.shape)
    axes = {a for t in tensors if t.label is not None for a, n in enumerate(t.label.shape[1:]) if n > 1} or {dim}
    if dim in axes:
        return _cat_units(tracer, [tracer.units_along(t, dim) for t in tensors], dim)
    values = [t if t.label is not None else tracer.units_along(t, max(axes)) for t in tensors]
    labels = [v.label for v in values if v.label is not None]
    for other in labels[1:]:
        tracer.legs.equal(labels[0], other)
    node = tracer.add_node("pointwise", labels[0][LEG])
    result = with_node(labels[0], node)
    for label in labels:
        tracer.use("operand", node, None, label, result, label)
    return tracer.result(result)


@rule("stack")
def stack(tracer: Tracer, tensors: list[Value], dim: int = 0) -> Value:
    """Values beside each other along a new axis."""
    dim %= len(tracer.shape)
    raised = []
    for value in tensors:
        shape = (*value.shape[:dim], 1, *value.shape[dim:])
        raised.append(_moved(tracer, value, lambda label: np.expand_dims(label, dim + 1), shape=shape))
    return cat(tracer, raised, dim)


@rule("repeat", "tile")
def repeat(tracer: Tracer, x: Value, repeats: list[int]) -> Value:
    """Copies along any axes."""
    added = len(tracer.shape) - len(x.shape)
    counts = [1] * (len(tracer.shape) - len(repeats)) + list(repeats)

    def tiled(label: Label) -> Label:
        label = label.reshape(3, *[1] * added, *label.shape[1:])
        return number_copies(
            np.tile(label, (1, *(c if n > 1 else 1 for c, n in zip(counts, label.shape[1:], strict=True))))
        )

    return _moved(tracer, x, tiled)


@rule("constant_pad_nd", "pad")
def pad(tracer: Tracer, x: Value, padding: list[int], mode: Any = "constant", value: float | None = None) -> Value:
    """Entries around axes without a meaning; zeros keep every multiplier, other numbers end it."""
    if x.label is None:
        return tracer.result()
    number = mode if isinstance(mode, int | float) else (value or 0.0)
    touched = [len(x.shape) - 1 - i // 2 for i, n in enumerate(padding) if n]
    if any(x.label.shape[a + 1] > 1 for a in touched) or (x.label.size == 3 and touched):
        tracer.pin([x], "units are padded with constants")
        return tracer.result()
    if number != 0:
        tracer.legs.restrict(x.label)
    return tracer.result(_other_copy(tracer, x.label))


@rule(
    *("contiguous", "clone", "detach", "alias", "to", "_to_copy", "lift_fresh_copy", "lift_fresh", "type_as", "float"),
    transparent=True,
)
def same(tracer: Tracer, x: Value, *args: Any, **kwargs: Any) -> Value:
    """The same numbers."""
    return replace(x, shape=tuple(tracer.shape))


@rule(
    *(f"{kind}_like" for kind in ("zeros", "ones", "full", "empty")), *(f"new_{k}" for k in ("zeros", "ones", "full"))
)
def constant(tracer: Tracer, *args: Any, **kwargs: Any) -> Value:
    """Numbers that do not depend on the input, only on its shape."""
    return tracer.result()


@rule("_assert_tensor_metadata", "_assert_async", "_assert_scalar")
def check(tracer: Tracer, *args: Any, **kwargs: Any) -> None:
    """Checks that the exported program makes; they change nothing."""


def take(tracer: Tracer, x: Value, dim: int, part: slice) -> Value:
    """A part of one axis. Other parts of an axis without units are other copies of the same units."""
    dim %= len(x.shape)
    size = len(range(x.shape[dim])[part])
    shape = (*x.shape[:dim], size, *x.shape[dim + 1 :])
    whole = size == x.shape[dim] and (part.step or 1) == 1

    def cut(label: Label) -> Label:
        if label.shape[dim + 1] > 1:
            return label[(slice(None),) * (dim + 1) + (part,)]
        return label if whole else retag(_other_copy(tracer, label), (part.start or 0) * 1009 + (part.step or 1))

    return _moved(tracer, x, cut, shape=shape)


def _other_copy(tracer: Tracer, label: Label) -> Label:
    """The same units as seen by the operator at hand."""
    return retag(label, len(tracer.nodes) * 4099 + len(tracer.legs.records))


def _cat_units(tracer: Tracer, values: list[Value], dim: int) -> Value:
    labels = [v.label for v in values if v.label is not None]
    dims = np.broadcast_shapes(*((*lab.shape[1 : dim + 1], 1, *lab.shape[dim + 2 :]) for lab in labels))
    wide = [np.broadcast_to(lab, (3, *dims[:dim], lab.shape[dim + 1], *dims[dim + 1 :])) for lab in labels]
    return tracer.result(number_copies(np.concatenate(wide, axis=dim + 1)))


def _moved(tracer: Tracer, x: Value, change: Callable[[Label], Label], shape: Any = None) -> Value:
    """The value after a change of shape: of its label, or of the labels of a parameter's axes."""
    shape = tuple(tracer.shape if shape is None else shape)
    if x.is_parameter:
        return _moved_parameter(tracer, x, change, shape)
    if x.label is None:
        return Value(shape, name=tracer.call)
    return Value(shape, change(x.label), name=tracer.call)


def _moved_parameter(tracer: Tracer, x: Value, change: Callable[[Label], Label], shape: tuple[int, ...]) -> Value:
    x = tracer.parameter(x, range(len(x.shape)))
    if len(shape) != len(x.shape) or tracer.operator not in ("permute", "transpose", "t", "numpy_T", "swapaxes", "mT"):
        tracer.pin([x], "no rule for a parameter that changes its shape before it is used")
        return Value(shape, name=tracer.call)
    return Value(shape, None, x.tensor, tuple(change(a) for a in x.axes if a is not None), tracer.call)


def _new_order(operator: str, rank: int, args: tuple[Any, ...]) -> list[int]:
    if operator == "permute":
        return [a % rank for a in args[0]]
    order = list(range(rank))
    if operator in ("t", "numpy_T"):
        return order[::-1]
    a, b = args[:2] if args else (-2, -1)
    if operator == "movedim":
        probe = np.moveaxis(np.empty(tuple(range(1, rank + 1))), a, b)
        return [n - 1 for n in probe.shape]
    order[a], order[b] = order[b], order[a]
    return order
