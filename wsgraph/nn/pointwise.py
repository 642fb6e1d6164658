"""Elementwise calls of the networks, run on states of their units."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from wsgraph.errors import SpaceError
from wsgraph.nn.canonical import unit_norm
from wsgraph.nn.powers import Powers
from wsgraph.space import Pointwise, ScaleClass
from wsgraph.trace.registry import find_rule

PARTIAL = (
    *("sqrt", "rsqrt", "reciprocal", "div", "divide", "true_divide", "pow", "log", "log2", "log10", "log1p", "logit"),
    *("asin", "arcsin", "acos", "arccos", "acosh", "arccosh", "atanh", "arctanh", "erfinv", "xlogy", "exp", "tan"),
)
"""Operators that are not defined, or too large, for some numbers."""

INSIDE = 0.5
"""A number for which all of them are defined."""


def apply_pointwise(call: Pointwise, operands: list[Tensor], slope: Tensor | None = None) -> Tensor:
    """Run an elementwise ATen call on states; where it is not defined, it gives 0.

    Raises:
        SpaceError: The call names an operator that no rule knows.
    """
    packet, overload = call.op.split(".")
    if packet == "prelu":
        assert slope is not None
        return torch.where(operands[0] > 0, operands[0], slope * operands[0])
    if not _is_known(packet, overload):
        raise SpaceError(f"Unknown elementwise operator {call.op!r} in the weight space.")
    operator = getattr(getattr(torch.ops.aten, packet), overload)
    if packet not in PARTIAL:
        return _called(operator, call, operands)
    with torch.no_grad():
        defined = torch.isfinite(_called(operator, call, operands))
    value = _called(operator, call, [torch.where(defined, x, INSIDE) for x in operands])
    return torch.where(defined, value, torch.zeros_like(value))


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _is_known(packet: str, overload: str) -> bool:
    """Whether a rule knows this operator, or torch says that it is elementwise."""
    operator = getattr(getattr(torch.ops.aten, packet, None), overload, None)
    return operator is not None and (find_rule(packet) is not None or torch.Tag.pointwise in operator.tags)


def _called(operator: Any, call: Pointwise, operands: list[Tensor]) -> Tensor:
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for argument in call.args:
        if isinstance(argument, str) and argument.startswith("$"):
            args.append(operands[int(argument[1:])])
        elif isinstance(argument, tuple) and len(argument) == 2 and isinstance(argument[0], str):
            kwargs[argument[0]] = argument[1]
        else:
            args.append(argument)
    result: Tensor = operator(*args, **kwargs)
    return result


def keeps_scales(call: Pointwise, classes: tuple[ScaleClass, ...], operands: list[Powers], result: Powers) -> bool:
    """Whether operands that are multiplied by monomials give a result that is multiplied by another: tried out.

    A call on numbers that are computed from the tensors in a way that the space does not tell fails this.
    """
    if not any((*operands, result)):
        return True
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        numbers = [torch.randn(16, generator=generator, dtype=torch.float64) for _ in operands]
        drawn = {number: _multiplier(classes[number], generator) for p in (*operands, result) for number, _, _ in p}
        moved = [x * _product(p, drawn) for x, p in zip(numbers, operands, strict=True)]
        slope = torch.rand(16, generator=generator, dtype=torch.float64)
        before, after = (apply_pointwise(call, xs, slope).double() for xs in (numbers, moved))
        if not torch.allclose(after, before * _product(result, drawn), rtol=1e-9, atol=1e-12):
            return False
    return True


def _multiplier(scale_class: ScaleClass, generator: torch.Generator) -> float:
    size, sign = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
    magnitude = 0.5 + size if scale_class.values.has_magnitude else 1.0
    return -magnitude if scale_class.values.has_sign and sign < 0.7 else magnitude


def _product(monomial: Powers, drawn: dict[int, float]) -> float:
    total = 1.0
    for number, power, parity in monomial:
        total *= abs(drawn[number]) ** power * (-1.0 if parity and drawn[number] < 0 else 1.0)
    return total


def carried(x: Tensor, have: Powers, want: Powers) -> Tensor | None:
    """Features ``[..., C]`` that are multiplied by one monomial, made such that another multiplies them.

    The direction of x, or the absolute values of its entries, times a power of its norm; None if no power fits.
    """
    if have == want:
        return x
    wanted = {number: (power, parity) for number, power, parity in want}
    pairs = [((power, parity), wanted.pop(number, (0.0, 0))) for number, power, parity in have]
    exponents = {theirs[0] / ours[0] for ours, theirs in pairs if ours[0]} or {1.0}
    signs = {theirs[1] for ours, theirs in pairs if ours[1]} or {1}
    new = any((theirs[0] and not ours[0]) or (theirs[1] and not ours[1]) for ours, theirs in pairs)
    if wanted or new or len(exponents) > 1 or len(signs) > 1:
        return None
    x = x if signs == {1} else x.abs()
    (exponent,) = exponents
    if exponent == 1:
        return x
    norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    some = norm > 0
    return unit_norm(x) * torch.where(some, torch.where(some, norm, torch.ones_like(norm)) ** exponent, norm)
