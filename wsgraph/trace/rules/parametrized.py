"""Parametrisations that are one operator."""

from __future__ import annotations

from wsgraph.trace.registry import rule
from wsgraph.trace.rules.arithmetic import multiply
from wsgraph.trace.rules.pool import spread
from wsgraph.trace.tracer import Tracer
from wsgraph.trace.value import Value


@rule("_weight_norm", "_weight_norm_interface")
def weight_norm(tracer: Tracer, direction: Value, length: Value, dim: int = 0) -> Value:
    """W = g v / ‖v‖, with a norm for each index of one axis."""
    shape, rank = tracer.shape, len(direction.shape)
    direction = tracer.opened(direction)
    axes = [a for a in range(rank) if dim < 0 or a != dim % rank]
    tracer.operator, tracer.shape = "linalg_vector_norm", length.shape
    norm = spread(tracer, direction, 2, axes, True)
    tracer.operator, tracer.overload, tracer.shape = "div", "Tensor", shape
    unit = multiply(tracer, direction, norm)
    tracer.operator = "mul"
    return multiply(tracer, unit, length)
