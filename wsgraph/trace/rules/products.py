"""Matrix products: with a parameter a linear map, between computed values a contraction."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_letters
from typing import Any

from wsgraph.trace.contraction import contract
from wsgraph.trace.registry import rule
from wsgraph.trace.rules.arithmetic import add
from wsgraph.trace.rules.linear import linear_map
from wsgraph.trace.rules.shape import permuted
from wsgraph.trace.tracer import Tracer
from wsgraph.trace.value import NotCovered, Value


@rule("matmul", "mm", "bmm", "mv", "dot", "vdot", "inner")
def matmul(tracer: Tracer, input: Value, other: Value) -> Value:
    """Products of matrices, with leading axes that are broadcast."""
    if len(other.shape) == 2 and other.is_parameter and not (len(input.shape) == 2 and input.is_parameter):
        return linear_map(tracer, input, -1, other, out_axis=1, in_axis=0)
    if len(input.shape) == 2 and input.is_parameter and len(other.shape) > 1 and not other.is_parameter:
        return linear_map(tracer, other, -2, input, out_axis=0, in_axis=1)
    batch = ascii_letters[: max(len(input.shape), len(other.shape), 2) - 2]
    left = batch[len(batch) - max(len(input.shape) - 2, 0) :] + ("T" if len(input.shape) > 1 else "") + "D"
    right = batch[len(batch) - max(len(other.shape) - 2, 0) :] + "D" + ("S" if len(other.shape) > 1 else "")
    out = batch + ("T" if len(input.shape) > 1 else "") + ("S" if len(other.shape) > 1 else "")
    return contract(tracer, input, other, left, right, out)


@rule("addmm", "baddbmm", "addmv", "addbmm")
def addmm(tracer: Tracer, bias: Value, input: Value, weight: Value, **factors: Any) -> Value:
    """Y = b + x W."""
    is_layer = weight.is_parameter and not input.is_parameter and bias.is_parameter and len(bias.shape) == 1
    if tracer.operator == "addmm" and is_layer and factors.get("beta", 1) == 1:
        return linear_map(tracer, input, -1, weight, out_axis=1, in_axis=0, bias=bias)
    if tracer.operator == "addbmm":
        raise NotCovered("a form that sums over the batch")
    product = matmul(tracer, input, weight)
    if factors.get("beta", 1) == 0:
        return product
    tracer.operator, tracer.overload = "add", "Tensor"
    return add(tracer, bias, product)


@rule("einsum")
def einsum(tracer: Tracer, equation: str, operands: Sequence[Value], **options: Any) -> Value:
    """Sums of products in Einstein's notation, of one or two values."""
    left, out = equation.replace(" ", "").split("->") if "->" in equation else (equation.replace(" ", ""), None)
    terms = _without_ellipsis(left.split(","), operands, out)
    if len(operands) != 2 or any(len(set(term)) != len(term) for term in terms[:2]):
        raise NotCovered("a form of other than two operands")
    x, y, result = terms
    for a, b, first, second in ((operands[0], operands[1], x, y), (operands[1], operands[0], y, x)):
        summed = [letter for letter in first if letter in second and letter not in result]
        free = [letter for letter in second if letter not in first]
        if b.is_parameter and not a.is_parameter and len(summed) == 1 and len(free) == 1 and len(second) == 2:
            return _as_linear_map(tracer, a, b, first, second, result, summed[0], free[0])
    return contract(tracer, operands[0], operands[1], x, y, result)


def _as_linear_map(
    tracer: Tracer, a: Value, weight: Value, first: str, second: str, result: str, summed: str, free: str
) -> Value:
    """Σ_i a_..i.. W_io as a linear map along the axis of i, and the axes put in their places."""
    axis = first.index(summed) - len(first)
    shape, tracer.shape = (
        tracer.shape,
        tuple(
            weight.shape[second.index(free)] if letter == summed else n
            for letter, n in zip(first, a.shape, strict=True)
        ),
    )
    value = linear_map(tracer, a, axis, weight, out_axis=second.index(free), in_axis=second.index(summed))
    tracer.shape = shape
    now = first.replace(summed, free)
    return permuted(tracer, value, [now.index(letter) for letter in result])


def _without_ellipsis(terms: list[str], operands: Sequence[Value], out: str | None) -> list[str]:
    """The terms, and that of the result, with letters for ``...``."""
    spare = [c for c in ascii_letters if not any(c in term for term in terms)]
    widths = [len(v.shape) - len(t.replace("...", "")) for t, v in zip(terms, operands, strict=True)]
    width = max((w for t, w in zip(terms, widths, strict=True) if "..." in t), default=0)
    letters = "".join(spare[:width])
    full = [t.replace("...", letters[width - w :] if w else "") for t, w in zip(terms, widths, strict=True)]
    if out is None:
        once = sorted(c for c in set("".join(terms)) - {"."} if "".join(terms).count(c) == 1)
        return [*full, letters + "".join(once)]
    return [*full, out.replace("...", letters)]
