"""Values whose sum along an axis is 0: what is multiplied by them may get the same number everywhere along it."""

from __future__ import annotations

from typing import Any

from wsgraph.trace.additive.calls import Call, dims_of, is_aten, is_tensor, shape_of

_SAME = ("contiguous", "clone", "detach", "alias", "to", "_to_copy", "float", "double", "neg")


def mean_axes(call: Call) -> list[int] | None:
    """The axes whose mean is subtracted from a value, or None."""
    x, mean = call["self"], call["other"]
    plain = call.name in ("sub", "subtract") and call.arguments.get("alpha", 1) == 1
    if not (plain and is_tensor(x) and is_tensor(mean) and is_aten(mean)):
        return None
    made = Call(mean, [[]])
    if made.name != "mean" or made["self"] is not x or made.arguments.get("dtype") is not None:
        return None
    axes = dims_of(made.first("dim"), len(shape_of(x)))
    expected = tuple(1 if a in axes else n for a, n in enumerate(shape_of(x)))
    return axes if shape_of(mean) == expected else None


def is_centred(node: Any, axis: int) -> bool:
    """Whether the entries of a value along an axis, counted from the end, have sum 0, whatever the weights are."""
    while is_tensor(node) and is_aten(node) and node.meta["val"].is_floating_point():
        call = Call(node, [[]])
        if call.name == "layer_norm":
            return call["weight"] is None and call["bias"] is None and len(call["normalized_shape"]) == 1 and axis == -1
        if call.name in ("sub", "subtract"):
            return mean_axes(call) == [len(shape_of(node)) + axis]
        if call.name in ("mul", "multiply", "div", "divide", "true_divide"):
            other = call["other"]
            if call.arguments.get("rounding_mode") is not None or not _is_one_number(other, axis):
                return False
        elif call.name not in _SAME:
            return False
        node = call["self"]
        if len(shape_of(node)) < -axis:
            return False
    return False


def _is_one_number(factor: Any, axis: int) -> bool:
    """Whether all entries along an axis are multiplied by one number."""
    return not is_tensor(factor) or len(shape_of(factor)) < -axis or shape_of(factor)[axis] == 1
