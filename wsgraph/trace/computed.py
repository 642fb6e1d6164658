"""Results of elementwise operators: the units of their operands, in a node of their own."""

from __future__ import annotations

from typing import Any

import numpy as np

from wsgraph.space import Pointwise
from wsgraph.trace.legs import LEG, Label
from wsgraph.trace.tracer import Tracer
from wsgraph.trace.value import Value, full_axes, meets, with_node


def computed(tracer: Tracer, label: Label, args: list[Any], kwargs: dict[str, Any], op: str | None = None) -> Value:
    """The result: the units of ``label`` in a node of their own, with the labelled arguments as operands."""
    op = op or f"{tracer.operator}.{tracer.overload}"
    operands = [a for a in args if isinstance(a, Value) and _is_operand(tracer, a, label)]
    call = _call(op, args, kwargs, operands)
    node = tracer.add_node("pointwise", label[LEG], pointwise=call)
    result = with_node(label, node)
    for operand in operands:
        if operand.label is not None:
            tracer.use("operand", node, None, operand.label, result, operand.label)
        else:
            (found,) = (a for a in tracer.parameter(operand, ()).axes if a is not None)
            tracer.use("operand", node, operand.tensor, found, result)
    return tracer.result(result)


def monomial(
    tracer: Tracer, x: Value, args: tuple[Any, ...], magnitude: tuple[int, int], sign: tuple[int, int]
) -> Value:
    """An elementwise function whose result has a power of the multiplier: Π of (result, x) to these powers is 1."""
    result = fresh(tracer, x.units)
    tracer.legs.relate(result, x.units, magnitude=magnitude, sign=sign)
    return computed(tracer, result, list(args), {})


def fresh(tracer: Tracer, label: Label) -> Label:
    """New legs for the units of a label, with multipliers of their own; one leg a unit."""
    units, position = np.unique(label[LEG], return_inverse=True)
    legs = tracer.legs.new(len(units))[position.reshape(label[LEG].shape)]
    return np.stack([legs, label[1], label[2]])


def _is_operand(tracer: Tracer, value: Value, label: Label) -> bool:
    if value.label is not None:
        return meets(value.label, label) or not full_axes(value.label)
    return value.is_parameter and sum(a is not None for a in tracer.parameter(value, ()).axes) == 1


def _call(op: str, args: list[Any], kwargs: dict[str, Any], operands: list[Value]) -> Pointwise | None:
    """The call with "$k" for the k-th operand; None (the identity) if it needs numbers that the space does not hold."""
    named = [_argument(a, operands) for a in args]
    named += [(name, value) for name, value in kwargs.items() if value is not None]
    if any(isinstance(a, Value) for a in named) or not operands:
        return None
    return Pointwise(op, tuple(named))


def _argument(argument: Any, operands: list[Value]) -> Any:
    for k, operand in enumerate(operands):
        if argument is operand:
            return f"${k}"
    return tuple(argument) if isinstance(argument, list) else argument
