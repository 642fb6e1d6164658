"""Elementwise operators: what is added goes through sums and multiples."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from torch import fx

from wsgraph.trace.additive.blind import Blind, anything, constant_along, narrowed, times
from wsgraph.trace.additive.calls import Call, Pulled, backward, is_aten, is_tensor, shape_of
from wsgraph.trace.additive.centred import mean_axes

NEVER = -1e30
"""What a softmax takes for -∞."""


@backward("add", "sub", "subtract", "rsub")
def add(call: Call) -> Pulled:
    """A sum, in which both sides may be broadcast; a value less its mean does not change with the mean."""
    axes = mean_axes(call)
    if axes is not None:
        yield call["self"], [constant_along(shape_of(call["self"]), axes)]
        yield call["other"], [anything(shape_of(call["other"]))]
        return
    for node in (call["self"], call["other"]):
        if is_tensor(node):
            yield from call.hand(node, partial(narrowed, shape=shape_of(node)))


@backward("mul", "multiply", "div", "divide", "true_divide")
def multiply(call: Call) -> Pulled:
    """Multiples, and products place by place; nothing may be added to what divides."""
    if call.arguments.get("rounding_mode") is not None:
        return
    sides = (call["self"], call["other"])
    for node, other in (sides, sides[::-1]) if call.name in ("mul", "multiply") else (sides,):
        if is_tensor(node) and is_tensor(other):
            yield from call.hand(node, partial(_product, own=shape_of(node), factor=shape_of(other)))
        elif is_tensor(node):
            yield from call.hand(node, partial(_multiple, factor=other))


def _multiple(blind: Blind, factor: Any) -> Blind:
    return replace(blind, holes=blind.holes and isinstance(factor, int | float) and factor > 0)


def _product(blind: Blind, own: tuple[int, ...], factor: tuple[int, ...]) -> Blind | None:
    left = times(blind, factor)
    return None if left is None else narrowed(left, own)


@backward("neg", "negative")
def negative(call: Call) -> Pulled:
    """The opposite."""
    yield from call.hand(call["self"], lambda blind: replace(blind, holes=False))


@backward("contiguous", "clone", "detach", "alias", "lift_fresh_copy", "lift_fresh", "positive")
@backward("to", "_to_copy", "type_as", "float", "double", "half", "bfloat16")
def same(call: Call) -> Pulled:
    """The same numbers; whole ones are other numbers."""
    if call.node.meta["val"].is_floating_point():
        yield from call.hand(call["self"], lambda blind: blind)
    if is_tensor(call.first("other")):
        yield call["other"], [anything(shape_of(call["other"]))]


@backward("dropout", "alpha_dropout", "feature_dropout", "feature_alpha_dropout")
def dropout(call: Call) -> Pulled:
    """Nothing, in evaluation."""
    if not call["train"]:
        yield from call.hand(call.first("input", "self"), lambda blind: blind)


@backward("masked_fill")
def masked_fill(call: Call) -> Pulled:
    """Another number in some places, which a softmax does not see if it is -∞."""
    yield from _chosen(call, call["self"], shape_of(call["mask"]), _number(call["value"]))


@backward("where")
def where(call: Call) -> Pulled:
    """One of two values in each place."""
    condition, sides = call["condition"], [call.first("self", "input"), call.first("other")]
    for node, other in (sides, sides[::-1]):
        if is_tensor(node):
            yield from _chosen(call, node, shape_of(condition), _number(other))


def _chosen(call: Call, node: fx.Node, mask: tuple[int, ...], other: float) -> Pulled:
    own = shape_of(node)

    def change(blind: Blind) -> Blind | None:
        if blind.holes and other <= NEVER:
            return narrowed(blind, own)
        return _product(blind, own, mask)

    yield from call.hand(node, change)


def _number(value: Any) -> float:
    """A number, or that in every place of a constant; 0 for what is not known."""
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, fx.Node) and is_aten(value):
        name = value.target._schema.name.split("::")[-1]  # type: ignore[union-attr]
        place = {"full": 1, "full_like": 1, "scalar_tensor": 0, "fill": 1, "new_full": 2}.get(name)
        found = None if place is None or place >= len(value.args) else value.args[place]
        return float(found) if isinstance(found, int | float) else 0.0
    return 0.0
