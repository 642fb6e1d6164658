"""Pixels to channels and back: reshapes with names of their own."""

from __future__ import annotations

from collections.abc import Sequence

from wsgraph.trace.registry import rule
from wsgraph.trace.rules.shape import permuted, view
from wsgraph.trace.tracer import Tracer
from wsgraph.trace.value import Value


@rule("pixel_shuffle")
def pixel_shuffle(tracer: Tracer, x: Value, factor: int) -> Value:
    """[.., C r², H, W] -> [.., C, H r, W r]."""
    *lead, channels, height, width = x.shape
    return _regrouped(tracer, x, (*lead, channels // factor**2, factor, factor, height, width), (0, 3, 1, 4, 2))


@rule("pixel_unshuffle")
def pixel_unshuffle(tracer: Tracer, x: Value, factor: int) -> Value:
    """[.., C, H r, W r] -> [.., C r², H, W]."""
    *lead, channels, height, width = x.shape
    shape = (*lead, channels, height // factor, factor, width // factor, factor)
    return _regrouped(tracer, x, shape, (0, 2, 4, 1, 3))


@rule("channel_shuffle", "native_channel_shuffle")
def channel_shuffle(tracer: Tracer, x: Value, groups: int) -> Value:
    """Channels of all groups by turns."""
    batch, channels, *positions = x.shape
    shape = (batch, groups, channels // groups, *positions)
    return _regrouped(tracer, x, shape, (1, 0, *range(2, len(positions) + 2)), lead=1)


def _regrouped(
    tracer: Tracer, x: Value, shape: tuple[int, ...], order: Sequence[int], lead: int | None = None
) -> Value:
    """A view, another order of its last axes, and a view of the result's shape."""
    final, lead = tracer.shape, len(shape) - len(order) if lead is None else lead
    tracer.shape = shape
    x = view(tracer, x)
    full = [*range(lead), *(lead + a for a in order)]
    tracer.shape = tuple(shape[a] for a in full)
    x = permuted(tracer, x, full)
    tracer.shape = final
    return view(tracer, x)
