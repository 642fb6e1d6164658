"""Attention as one operator: the same steps as where they are written out."""

from __future__ import annotations

from dataclasses import replace

from wsgraph.trace.registry import rule
from wsgraph.trace.rules.arithmetic import add
from wsgraph.trace.rules.pool import softmax
from wsgraph.trace.rules.products import matmul
from wsgraph.trace.rules.shape import permuted, repeated
from wsgraph.trace.tracer import Tracer
from wsgraph.trace.value import Value, moved


@rule("scaled_dot_product_attention")
def attention(
    tracer: Tracer,
    query: Value,
    key: Value,
    value: Value,
    attn_mask: Value | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Value:
    """Softmax(Q Kᵀ / √d + mask) V, head by head."""
    shape, axis = tuple(tracer.shape), len(query.shape) - 3
    query, key, value = (tracer.opened(v) for v in (query, key, value))
    if enable_gqa and key.shape[axis] != query.shape[axis]:
        key, value = (_shared(tracer, v, query.shape[axis] // v.shape[axis], axis) for v in (key, value))
    rank = len(key.shape)
    turned = permuted(tracer, key, [*range(rank - 2), rank - 1, rank - 2], (*key.shape[:-2], *key.shape[:-3:-1]))
    tracer.shape = (*shape[:-1], key.shape[-2])
    tracer.operator, tracer.overload = "matmul", "default"
    scores = matmul(tracer, query, turned)
    if attn_mask is not None:
        tracer.operator, tracer.overload = "add", "Tensor"
        scores = add(tracer, scores, attn_mask)
    tracer.operator = "softmax"
    weights = softmax(tracer, scores, -1)
    tracer.shape, tracer.operator, tracer.overload = shape, "matmul", "default"
    return matmul(tracer, weights, value)


def _shared(tracer: Tracer, value: Value, count: int, axis: int) -> Value:
    """Keys (or values) of fewer heads, each for several heads of queries."""
    shape = (*value.shape[:axis], value.shape[axis] * count, *value.shape[axis + 1 :])
    result = moved(value, lambda label: repeated(tracer, label, count, axis), shape, value.name)
    same = frozenset({axis - len(shape)} if value.shape[axis] == 1 else ())
    return replace(result, tensor=None, repeated=value.repeated | same)
