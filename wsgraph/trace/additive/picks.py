"""Entries that are picked by their numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import fx

from wsgraph.trace.additive.blind import Blind, is_free, is_whole, kept
from wsgraph.trace.additive.calls import Call, Pulled, backward, shape_of
from wsgraph.trace.legs import Ints


@backward("embedding")
def embedding(call: Call) -> Pulled:
    """Rows of a table."""
    yield from _picked(call, call["weight"], 0, len(shape_of(call["indices"])))


@backward("index_select")
def index_select(call: Call) -> Pulled:
    """Some indices of one axis."""
    yield from _picked(call, call["self"], call["dim"], 1)


@backward("index", "_unsafe_index")
def index(call: Call) -> Pulled:
    """Some indices of one axis, whose place the axes of the numbers take."""
    places = [i for i, node in enumerate(call["indices"]) if isinstance(node, fx.Node)]
    if len(places) == 1 and not call["indices"][places[0]].meta["val"].dtype.is_floating_point:
        numbers = call["indices"][places[0]]
        if "bool" not in str(numbers.meta["val"].dtype):
            yield from _picked(call, call["self"], places[0], len(shape_of(numbers)))


def _picked(call: Call, table: fx.Node, axis: int, count: int) -> Pulled:
    """Indices along one axis become ``count`` axes: any of them may stand anywhere."""
    shape = shape_of(table)
    axis %= len(shape)
    yield table, kept(_rows(blind, shape, axis, blind.labels[axis : axis + count], count) for blind in call.family)


def _rows(blind: Blind, shape: Sequence[int], axis: int, picked: Sequence[Ints], count: int) -> Blind | None:
    if not all(is_whole(label) for label in picked):
        return None
    free = all(is_free(label) for label in picked)
    rows = np.arange(shape[axis]) if free else np.zeros(shape[axis], dtype=np.int64)
    labels = (*blind.labels[:axis], rows, *blind.labels[axis + count :])
    return Blind(labels, blind.holes, blind.read)
