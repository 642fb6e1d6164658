"""Where the layers and units of a picture stand: columns by depth, layers of one depth above each other."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.path import Path as Line
from numpy.typing import NDArray

from wsgraph.graph.drawing.canvas import LINE, MARGIN, PADDING, count, is_still, shorten, symbol, text_width
from wsgraph.graph.drawing.unit_lanes import find_lanes
from wsgraph.space import Connection, NeuronLayer, WeightSpace
from wsgraph.space.operators import calls

Array = NDArray[Any]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Card:
    """The box of a layer, and the heights of its units."""

    x: float
    width: float
    top: float
    bottom: float
    y: Array
    gap: float | None  # where units are left out


class UnitLayout:
    """Columns by depth, layers of one depth above each other, lanes for the skips."""

    head_height = 2 * LINE + 2 * PADDING

    def __init__(self, space: WeightSpace, max_units: int) -> None:
        self.space = space
        self.depth = _depths(space)
        self.columns: list[list[int]] = [[] for _ in range(max(self.depth, default=0) + 1)]
        for i, depth in enumerate(self.depth):
            self.columns[depth].append(i)
        limit = 28 if len(self.columns) <= 8 else 24
        self.shown = [_thinned(space.size(i), max_units) for i in range(len(space.layers))]
        self.head = [_head(space, i, len(self.shown[i]), limit) for i in range(len(space.layers))]
        self.foot = [_foot(space, layer, limit) for layer in space.layers]
        self.foot_height = max(map(len, self.foot), default=0) * LINE + 2 * PADDING
        self.lanes = find_lanes(space, self.depth, self.columns)
        tracks = {side: 1 + max((t for s, t in self.lanes.values() if s == side), default=-1) for side in (-1, 1)}
        self.lane_width = {side: min(0.26, 2.0 / max(tracks[side], 1)) for side in tracks}
        self.lane_height = {side: self.lane_width[side] * tracks[side] for side in tracks}
        self.pitch = min(max(5.5 / max(map(self._slots, range(len(self.shown))), default=1), 0.19), 0.34)
        self.radius = 0.36 * self.pitch
        self.top = MARGIN + 2 * LINE
        self.x, self.widths = self._across()
        self.width = max(self.x[-1] + self.widths[-1] / 2 + MARGIN, 4.6)
        self.bottom = self.top + max(map(self._least, self.columns))
        self.height = self.bottom + MARGIN
        self.cards = dict(card for column in self.columns for card in self._down(column))

    def _slots(self, i: int) -> int:
        return len(self.shown[i]) + (len(self.shown[i]) < self.space.size(i))

    def _least(self, column: list[int]) -> float:
        """The least height of a column: its layers, the lanes, and the gaps between the layers."""
        labels, gaps = self.head_height + self.foot_height, PADDING * (len(column) - 1)
        return sum(self._slots(i) * self.pitch + labels for i in column) + sum(self.lane_height.values()) + gaps

    def _across(self) -> tuple[list[float], list[float]]:
        """Centres and widths of the columns. Weights need room between columns, operands do not."""
        widths = []
        for column in self.columns:
            lines = [max(text_width(self.head[i][0], "bold"), text_width(self.head[i][1])) for i in column]
            lines += [text_width(line) for i in column for line in self.foot[i]]
            widths.append(max([0.8, *lines]) + 2 * PADDING)
        room = 1.3 if len(self.columns) <= 6 else 0.9 if len(self.columns) <= 16 else 0.6
        weighted = {self.depth[c.target] for c in self.space.connections if c.role == "weight"}
        x = [MARGIN + widths[0] / 2]
        for i in range(1, len(widths)):
            x.append(x[-1] + (widths[i - 1] + widths[i]) / 2 + (room if i in weighted else PADDING))
        return x, widths

    def _down(self, column: list[int]) -> Iterator[tuple[int, Card]]:
        """The boxes of a column, which share the height that is left."""
        top, slack = self.top, (self.bottom - self.top - self._least(column)) / max(len(column), 1)
        for i in column:
            first = top + self.head_height + (self.lane_height[-1] if i == column[0] else 0.0)
            last = first + self._slots(i) * self.pitch + slack
            bottom = last + self.foot_height + (self.lane_height[1] if i == column[-1] else 0.0)
            slots = (first + last) / 2 + (np.arange(self._slots(i)) - (self._slots(i) - 1) / 2) * self.pitch
            half = (len(self.shown[i]) + 1) // 2
            gap = slots[half] if len(slots) > len(self.shown[i]) else None
            units = slots if gap is None else np.delete(slots, half)
            yield i, Card(self.x[self.depth[i]], self.widths[self.depth[i]], top, bottom, units, gap)
            top = bottom + PADDING

    def lines(self, connection: Connection, sources: Integers, targets: Integers) -> list[Line]:
        """Lines between shown units: straight to the next column, along the connection's lane over others."""
        source, target = (self.cards[i] for i in ends(connection))
        left, right = source.x + self.radius, target.x - self.radius
        start, end = source.y[sources], target.y[targets]
        if connection not in self.lanes:
            x, y, codes = [left, right], [start, end], [Line.MOVETO, Line.LINETO]
        else:
            lane, width, rise, fall = self._lane(connection)
            lane = lane + width * ((sources + (targets + 0.5) / len(target.y)) / len(source.y) - 0.5)
            curve = np.array([0.0, 0.5, 0.5, 1.0])
            x = [*(left + curve * rise), *(right - (1 - curve) * fall)]
            y = [start, start, lane, lane, lane, lane, end, end]
            codes = [Line.MOVETO, *[Line.CURVE4] * 3, Line.LINETO, *[Line.CURVE4] * 3]
        vertices = np.stack([np.broadcast_to(x, (len(start), len(x))), np.stack(y, axis=1)], axis=2)
        return [Line(line, codes) for line in vertices]

    def _lane(self, connection: Connection) -> tuple[Any, float, float, float]:
        """Height and width of a lane, as near to the units that it passes as it can, and the ways to and from it."""
        side, track = self.lanes[connection]
        first, last = (self.depth[i] for i in ends(connection))
        passed = [self.cards[column[0 if side < 0 else -1]] for column in self.columns[first + 1 : last]]
        edge = side * max(side * (card.y[0] if side < 0 else card.y[-1]) for card in passed)
        y = edge + side * (self.pitch / 2 + (track + 0.5) * self.lane_width[side])
        rise, fall = self.x[first + 1] - self.x[first], self.x[last] - self.x[last - 1]
        return y, 0.6 * self.lane_width[side], 0.8 * rise, 0.8 * fall


def ends(connection: Connection) -> tuple[int, int]:
    """Source and target of a connection that has both."""
    assert connection.source is not None
    return connection.source, connection.target


def _depths(space: WeightSpace) -> list[int]:
    """Length of the longest path to each layer."""
    depth: list[int] = []
    for connections in space.incoming:
        depth.append(max((depth[c.source] + 1 for c in connections if c.source is not None), default=0))
    return depth


def _thinned(size: int, max_units: int) -> Integers:
    """Which units to show: all, or evenly spaced ones."""
    return np.unique(np.linspace(0, size - 1, min(size, max_units)).round().astype(np.int64))


def _head(space: WeightSpace, index: int, shown: int, limit: int) -> list[str]:
    """What stands above a layer."""
    layer, size = space.layers[index], space.size(index)
    pieces = space.num_pieces(layer.group)
    units = count(size, "unit") if pieces == 1 else f"{pieces:,} × {count(size // pieces, 'unit')}"
    units = units if shown == size else f"{shown:,} of {units}"
    return [shorten(layer.name or layer.operator, limit), units + (" · output" if layer.output else "")]


def _foot(space: WeightSpace, layer: NeuronLayer, limit: int) -> list[str]:
    """What stands below a layer: what it computes, its group, and which symmetries move its units."""
    group = space.groups[layer.group]
    text = " → ".join(call.replace(" ", "\N{NO-BREAK SPACE}") for call in calls(layer))
    lines = textwrap.wrap(text, limit, max_lines=2, placeholder=" …", break_on_hyphens=False)
    moved = ["fixed" if is_still(space, layer.group) else "permuted", symbol(space, layer)]
    return [*lines, "group " + shorten(group.name, limit - 4), " · ".join(filter(None, moved))]
