"""Results of elementwise operators: the units of their operands, in a node of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from wsgraph.space import Pointwise
from wsgraph.trace.legs import LEG, Label
from wsgraph.trace.tracer import Tracer, flatten_values
from wsgraph.trace.value import Value, raised, span, with_node


def computed(
    tracer: Tracer, labels: Sequence[Label], args: Sequence[Any], kwargs: dict[str, Any], op: str | None = None
) -> Value:
    """The result: units of these labels in a node of their own, with the labelled arguments as operands.

    Of parameters alone it is a parameter, and makes no node.
    """
    operands = [a for a in flatten_values([args, kwargs]) if a.labels]
    result = tracer.result(*labels)
    if all(a.is_parameter for a in operands):
        return as_parameter(tracer, result, operands)
    call = _call(op or f"{tracer.operator}.{tracer.overload}", args, kwargs, operands)
    return read(tracer, result, operands, "pointwise", call)


def read(
    tracer: Tracer, result: Value, operands: Sequence[Value], operator: str, pointwise: Pointwise | None = None
) -> Value:
    """The same value in a new node, into which the operands enter."""
    if not result.labels:
        return result
    node = tracer.add_node(
        operator, np.concatenate([lab[LEG].reshape(-1) for lab in result.labels]), pointwise=pointwise
    )
    result = replace(result, labels=tuple(with_node(label, node) for label in result.labels))
    for operand in operands:
        if operand.is_parameter:
            for tensor, labels in operand.members:
                for label, met in _meetings(labels, result):
                    tracer.use("operand", node, tensor, label, met)
        else:
            for label, met in _meetings(operand.labels, result):
                tracer.operand(node, label, met)
    return result


def as_parameter(tracer: Tracer, result: Value, operands: Sequence[Value]) -> Value:
    """The result as numbers that depend on the state dict alone."""
    rank = len(result.shape)
    parts = tuple(dict.fromkeys(name for a in operands for name in a.parts))
    members = [(name, tuple(raised(lab, rank) for lab in labels)) for a in operands for name, labels in a.members]
    return replace(result, parts=parts, members=tuple(dict(members).items()))


def monomial(tracer: Tracer, x: Value, args: Sequence[Any], magnitude: tuple[int, int], sign: tuple[int, int]) -> Value:
    """An elementwise function whose result has a power of the multiplier: Π of (result, x) to these powers is 1."""
    x = tracer.opened(x)
    results = [fresh(tracer, label) for label in x.labels]
    for result, label in zip(results, x.labels, strict=True):
        tracer.legs.relate(result, label, magnitude=magnitude, sign=sign)
    return computed(
        tracer, results, [x if a is x or (isinstance(a, Value) and a.name == x.name) else a for a in args], {}
    )


def fresh(tracer: Tracer, label: Label) -> Label:
    """New legs for the units of a label, with multipliers of their own; one leg a unit."""
    units, position = np.unique(label[LEG], return_inverse=True)
    legs = tracer.legs.new(len(units))[position.reshape(label[LEG].shape)]
    return np.stack([legs, label[1], label[2]])


def _meetings(labels: Sequence[Label], result: Value) -> list[tuple[Label, Label]]:
    """Each label with the label of the result that it enters: of the same span, or of a larger or smaller one."""
    found = []
    for label in (raised(lab, len(result.shape)) for lab in labels if lab.ndim <= len(result.shape) + 1):
        own = span(label)
        ranked = sorted(result.labels, key=lambda r: (span(r) != own, not own <= span(r), not span(r) <= own))
        best = ranked[0]
        if own <= span(best) or span(best) <= own:
            found.append((label, best))
    return found


def _call(op: str, args: Sequence[Any], kwargs: dict[str, Any], operands: list[Value]) -> Pointwise | None:
    """The call with "$k" for the k-th operand; None (the identity) if it needs numbers that the space does not hold."""
    named = [_argument(a, operands) for a in args]
    named += [(name, value) for name, value in kwargs.items() if value is not None]
    if any(isinstance(a, Value) for a in named) or not operands or any(len(a.labels) > 1 for a in operands):
        return None
    return Pointwise(op, tuple(named))


def _argument(argument: Any, operands: list[Value]) -> Any:
    for k, operand in enumerate(operands):
        if argument is operand:
            return f"${k}"
    return tuple(argument) if isinstance(argument, list) else argument
