"""Means, sums, maxima and pooling: constants stay constants."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from wsgraph.trace.additive.blind import Blind, is_whole
from wsgraph.trace.additive.calls import Call, Pulled, backward, dims_of, shape_of

_POOLS = [f"{kind}_pool{n}d" for kind in ("avg", "adaptive_avg", "max", "adaptive_max") for n in (1, 2, 3)]
_RESIZED = [f"upsample_{kind}" for kind in ("nearest1d", "nearest2d", "nearest3d", "linear1d", "bilinear2d")]


@backward("mean", "sum")
def mean(call: Call) -> Pulled:
    """Whatever is added, its mean is added to the mean."""
    yield from _reduced(call, constant=False)


@backward("amax", "amin")
def maximum(call: Call) -> Pulled:
    """What is added everywhere is added to the largest."""
    yield from _reduced(call, constant=True)


def _reduced(call: Call, constant: bool) -> Pulled:
    shape = shape_of(call["self"])
    axes = dims_of(call.first("dim"), len(shape))
    keeps = len(call.node.meta["val"].shape) == len(shape)

    def change(blind: Blind) -> Blind:
        rest = iter(blind.labels)
        labels = []
        for axis, size in enumerate(shape):
            if axis in axes:
                labels.append(np.zeros(size, dtype=np.int64) if constant else np.arange(size))
                if keeps:
                    next(rest)
            else:
                labels.append(next(rest))
        return Blind(tuple(labels), False, blind.read)

    yield from call.hand(call["self"], change)


@backward(*_POOLS, *(f"{name}_with_indices" for name in _POOLS if name.startswith("max")), *_RESIZED)
def pool(call: Call) -> Pulled:
    """Means and maxima of neighbours."""
    padded = call.name.startswith("avg") and np.any(call["padding"]) and call["count_include_pad"]
    x = call.first("self", "input")
    shape, count = shape_of(x), next(n for n in (1, 2, 3) if f"{n}d" in call.name)

    def change(blind: Blind) -> Blind | None:
        lead = len(shape) - count
        if padded or not all(is_whole(label) for label in blind.labels[lead:]):
            return None
        still = (np.zeros(n, dtype=np.int64) for n in shape[lead:])
        return replace(blind, labels=(*blind.labels[:lead], *still), holes=False)

    if call.arguments.get("divisor_override") is None:
        yield from call.hand(x, change)
