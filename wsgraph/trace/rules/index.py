"""Picking entries by their numbers: positions go where they will, units stay."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from wsgraph.trace.legs import Label
from wsgraph.trace.registry import rule
from wsgraph.trace.tracer import Tracer
from wsgraph.trace.value import NotCovered, Value, moved, retag


@rule("index_select")
def index_select(tracer: Tracer, x: Value, dim: int, index: Value) -> Value:
    """Some positions of one axis."""
    return _picked(tracer, x, [dim % len(x.shape)])


@rule("gather", "take_along_dim")
def gather(tracer: Tracer, x: Value, dim: int, index: Value, **options: Any) -> Value:
    """Positions of one axis, others at every place."""
    return _picked(tracer, x, [dim % len(x.shape)])


@rule("index", "_unsafe_index")
def index(tracer: Tracer, x: Value, indices: list[Value | None]) -> Value:
    """Positions of several axes, whose place the axes of the indices take."""
    dims = [i for i, index in enumerate(indices) if index is not None]
    if any(isinstance(i, Value) and i.labels for i in indices):
        raise NotCovered("a form whose indices are computed by units")
    return _picked(tracer, x, dims)


def _picked(tracer: Tracer, x: Value, dims: list[int]) -> Value:
    """The value after entries along some axes were picked; units along these stay."""
    x = tracer.opened(x)
    for dim in dims:
        for label in x.along(dim):
            tracer.legs.pin(label)
    kept = replace(x, labels=_flat_along(x.labels, dims))
    together = dims == list(range(dims[0], dims[0] + len(dims)))
    added = len(tracer.shape) - (len(x.shape) - len(dims))
    place = dims[0] if together else 0

    def change(label: Label) -> Label:
        label = label.squeeze(tuple(d + 1 for d in dims))
        label = label.reshape(*label.shape[: place + 1], *[1] * added, *label.shape[place + 1 :])
        return retag(label, len(tracer.nodes) * 4099 + len(tracer.legs.records))

    members = tuple((tensor, _flat_along(labels, dims)) for tensor, labels in x.members)
    return moved(replace(kept, members=members), change, tracer.shape, tracer.call)


def _flat_along(labels: tuple[Label, ...], dims: list[int]) -> tuple[Label, ...]:
    """The labels that do not vary along any of these axes."""
    return tuple(label for label in labels if all(label.shape[d + 1] == 1 for d in dims))
