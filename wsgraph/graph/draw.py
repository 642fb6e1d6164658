"""Pictures of neuron graphs: layers as columns of circles, weights as lines between them."""

from __future__ import annotations

import colorsys
import math
import os
import textwrap
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.collections import CircleCollection, PathCollection
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.path import Path as Line
from matplotlib.textpath import text_to_path
from numpy.typing import NDArray

from wsgraph.errors import WSGraphError
from wsgraph.space import Connection, NeuronLayer, ScaleSet, WeightSpace

if TYPE_CHECKING:
    from wsgraph.graph.neuron_graph import NeuronGraph

Array = NDArray[Any]
Integers = NDArray[np.int64]

POSITIVE, NEGATIVE, OPERAND, INK = "#0072b2", "#d55e00", "#767676", "#262626"
NO_BIAS, INPUT, FIXED = "#c9c9c9", "#4d4d4d", "#ebebeb"
SIGNED = LinearSegmentedColormap.from_list("signed", [NEGATIVE, "#ffffff", POSITIVE])
SYMBOLS = {ScaleSet.ONE: "", ScaleSet.SIGN: " · ±", ScaleSet.POSITIVE: " · >0", ScaleSet.NONZERO: " · ≠0"}

MAX_EDGES, MAX_EDGES_IN_ALL = 1500, 40_000
"""How many weights are drawn of one connection, and (about) of all connections."""

DPI, MAX_SIDE, MAX_PIXELS = 150, 20_000, 20_000_000
"""Resolution of a PNG file, lowered where the picture would have a longer side or more pixels than this."""

# Everything below is measured in inches, from the upper left corner; font sizes are in points.
FONT, MARGIN, PADDING, LINE = 8.0, 0.25, 0.12, 0.15
"""Font size, margin of the picture, padding of a box and height of a line of text."""


def draw(graph: NeuronGraph, path: str | os.PathLike[str], max_units: int = 32) -> None:
    """Draw a neuron graph into a PNG or SVG file: see :meth:`NeuronGraph.draw`.

    A column of boxes for each depth, a box for each layer, a circle for each unit. Boxes of one neuron group have one
    tint. The file is written at once or not at all, and drawing the same graph again gives the same bytes.

    Args:
        graph: One neuron graph.
        path: Name of the file; its ending gives the format.
        max_units: Layers with more units are thinned to this many, and the picture says so.

    Raises:
        WSGraphError: Another ending than these two, several graphs, or a ``max_units`` below 1.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in (".png", ".svg"):
        raise WSGraphError(f"Expected a file name that ends in .png or .svg, got {path.name!r}.")
    if len(graph.spaces) != 1:
        raise WSGraphError(f"This is a batch of {len(graph.spaces)} graphs; draw one of them: batch[0].draw(...).")
    if max_units < 1:
        raise WSGraphError(f"max_units must be at least 1, got {max_units}.")
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"svg.hashsalt": "wsgraph", "svg.fonttype": "none", "text.hinting": "no_hinting"})
        data = _render(_Picture(graph, max_units), ending)
    _write(data, path)


def _write(data: bytes, path: Path) -> None:
    """Write a file at once or not at all."""
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _render(picture: _Picture, ending: str) -> bytes:
    """The bytes of the file."""
    legend = _Legend(picture)
    width, height = picture.layout.width, picture.layout.height + legend.height
    dpi = min(DPI, MAX_SIDE / max(width, height), math.sqrt(MAX_PIXELS / (width * height)))
    figure = Figure(figsize=(width, height), dpi=72 if ending == ".svg" else dpi, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    picture.paint(axes)
    legend.paint(axes)
    file = BytesIO()
    if ending == ".svg":
        FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None})
    else:
        FigureCanvasAgg(figure).print_png(file)
    return file.getvalue()


# ------------------------------------------------------------------------------------------------------- labels


def _text_width(text: str, weight: str = "normal") -> float:
    font = FontProperties(size=FONT, weight=weight)
    return text_to_path.get_text_width_height_descent(text, font, False)[0] / 72


def _write_text(axes: Axes, x: float, y: float, text: str, align: str = "center", weight: str = "normal") -> None:
    """One line of text, with its middle at height y."""
    font: dict[str, Any] = {"fontsize": FONT, "fontweight": weight, "color": INK, "parse_math": False}
    axes.text(x, y, text, ha=align, va="center_baseline", zorder=5, **font)


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' * (number != 1)}"


def _shorten(text: str, limit: int) -> str:
    """At most `limit` characters; the end of a module path says more than its beginning."""
    if len(text) <= limit:
        return text
    first, last = text[: limit // 3], text[limit // 3 + 1 - limit :]
    return f"{first.rstrip('.')}…{last.lstrip('.')}"


def _head(space: WeightSpace, index: int, shown: int, limit: int) -> list[str]:
    """What stands above a layer."""
    layer, size = space.layers[index], space.size(index)
    units = _count(size, "unit") if shown == size else f"{shown:,} of {_count(size, 'unit')}"
    return [_shorten(layer.name or layer.operator, limit), units + (" · output" if layer.output else "")]


def _foot(space: WeightSpace, layer: NeuronLayer, limit: int) -> list[str]:
    """What stands below a layer: what it computes, its group, and which symmetries move its units."""
    group = space.groups[layer.group]
    calls = [str(layer.pointwise) if layer.pointwise else layer.operator, *map(str, layer.activation)]
    text = " → ".join(call.replace(" ", "\N{NO-BREAK SPACE}") for call in calls)
    lines = textwrap.wrap(text, limit, max_lines=2, placeholder=" …", break_on_hyphens=False)
    free = [(space.scales[f.scale_class].values, f) for f in layer.scale]
    magnitude = any(values.has_magnitude and f.power for values, f in free)
    sign = any(values.has_sign and f.parity for values, f in free)
    moved = ("fixed" if group.fixed else "permuted") + SYMBOLS[ScaleSet.of(magnitude, sign)]
    return [*lines, "group " + _shorten(group.name, limit - 4), moved]


def _tints(space: WeightSpace) -> list[tuple[float, float, float]]:
    """A light colour for each group: grey if fixed, otherwise hues that keep far from each other."""
    free = [i for i, group in enumerate(space.groups) if not group.fixed]
    hues = {group: (0.36 + 0.381966 * rank) % 1.0 for rank, group in enumerate(free)}
    return [colorsys.hls_to_rgb(hues[i], 0.9, 0.6) if i in hues else to_rgb(FIXED) for i in range(len(space.groups))]


# ------------------------------------------------------------------------------------------------------- layout


@dataclass(frozen=True)
class _Card:
    """The box of a layer, and the heights of its units."""

    x: float
    width: float
    top: float
    bottom: float
    y: Array
    gap: float | None  # where units are left out


class _Layout:
    """Where everything stands: columns by depth, layers of one depth above each other, lanes for the skips."""

    head_height = 2 * LINE + 2 * PADDING

    def __init__(self, space: WeightSpace, max_units: int) -> None:
        self.space = space
        self.depth = _depths(space)
        self.columns = [[i for i, d in enumerate(self.depth) if d == c] for c in range(max(self.depth, default=0) + 1)]
        limit = 28 if len(self.columns) <= 8 else 24
        self.shown = [_thinned(space.size(i), max_units) for i in range(len(space.layers))]
        self.head = [_head(space, i, len(self.shown[i]), limit) for i in range(len(space.layers))]
        self.foot = [_foot(space, layer, limit) for layer in space.layers]
        self.foot_height = max(map(len, self.foot), default=0) * LINE + 2 * PADDING
        self.lanes = _lanes(space, self.depth, self.columns)
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
            lines = [max(_text_width(self.head[i][0], weight="bold"), _text_width(self.head[i][1])) for i in column]
            lines += [_text_width(line) for i in column for line in self.foot[i]]
            widths.append(max([0.8, *lines]) + 2 * PADDING)
        room = 1.3 if len(self.columns) <= 6 else 0.9 if len(self.columns) <= 16 else 0.6
        weighted = {self.depth[c.target] for c in self.space.connections if c.role == "weight"}
        x = [MARGIN + widths[0] / 2]
        for i in range(1, len(widths)):
            x.append(x[-1] + (widths[i - 1] + widths[i]) / 2 + (room if i in weighted else PADDING))
        return x, widths

    def _down(self, column: list[int]) -> Iterator[tuple[int, _Card]]:
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
            yield i, _Card(self.x[self.depth[i]], self.widths[self.depth[i]], top, bottom, units, gap)
            top = bottom + PADDING

    def lines(self, connection: Connection, sources: Integers, targets: Integers) -> list[Line]:
        """Lines between shown units: straight to the next column, along the connection's lane over others."""
        source, target = (self.cards[i] for i in _ends(connection))
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
        first, last = (self.depth[i] for i in _ends(connection))
        passed = [self.cards[column[0 if side < 0 else -1]] for column in self.columns[first + 1 : last]]
        edge = side * max(side * (card.y[0] if side < 0 else card.y[-1]) for card in passed)
        y = edge + side * (self.pitch / 2 + (track + 0.5) * self.lane_width[side])
        rise, fall = self.x[first + 1] - self.x[first], self.x[last] - self.x[last - 1]
        return y, 0.6 * self.lane_width[side], 0.8 * rise, 0.8 * fall


def _ends(connection: Connection) -> tuple[int, int]:
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


def _lanes(space: WeightSpace, depth: list[int], columns: list[list[int]]) -> dict[Connection, tuple[int, int]]:
    """Side (-1 above, 1 below) and track of each connection that jumps over columns; short jumps run inside."""
    place = {i: (row + 0.5) / len(column) for column in columns for row, i in enumerate(column)}
    spans = [(depth[c.source], depth[c.target], c) for c in space.connections if c.source is not None]
    lanes: dict[Connection, tuple[int, int]] = {}
    taken: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for first, last, connection in sorted(spans, key=lambda span: span[1] - span[0]):
        if last - first == 1:
            continue
        side, track = 1 if sum(place[i] for i in _ends(connection)) > 1 else -1, 0
        while any(first < b and a < last for a, b in taken.get((side, track), [])):
            track += 1
        taken.setdefault((side, track), []).append((first, last))
        lanes[connection] = side, track
    return lanes


# ------------------------------------------------------------------------------------------------------ picture


class _Picture:
    """A neuron graph and its layout; paints boxes, edges, units and labels, in this order."""

    def __init__(self, graph: NeuronGraph, max_units: int) -> None:
        self.space, self.weights = graph.spaces[0], graph.weights.detach()
        self.layout = _Layout(self.space, max_units)
        self.tints = _tints(self.space)
        self.roles = Counter(c.role for c in self.space.connections)
        self.max_edges = max(50, min(MAX_EDGES, MAX_EDGES_IN_ALL // max(self.roles["weight"], 1)))
        self.num_cut, self.finite = 0, True
        self.edges = [self._edges(c) for c in self.space.connections if c.source is not None]
        self.faces = [self._faces(i) for i in range(len(self.space.layers))]

    def paint(self, axes: Axes) -> None:
        """Paint everything but the legend."""
        numbers = {"layer": len(self.space.layers), "unit": self.space.num_nodes, "weight": self.space.num_weights}
        title = " · ".join(_count(number, word) for word, number in numbers.items())
        _write_text(axes, MARGIN, MARGIN + LINE / 2, title, "left", weight="bold")
        for edges in self.edges:
            axes.add_collection(edges, autolim=False)
        for i, card in self.layout.cards.items():
            self._paint_card(axes, i, card)
            _paint_units(axes, np.full(len(card.y), card.x), card.y, self.layout.radius, self.faces[i])
            if card.gap is not None:
                dots = card.gap + np.array([-0.25, 0, 0.25]) * self.layout.pitch
                _paint_units(axes, np.full(3, card.x), dots, 0.08 * self.layout.pitch, [INK] * 3)

    def _paint_card(self, axes: Axes, i: int, card: _Card) -> None:
        """The box of a layer, and its labels on stripes that edges pass beneath."""
        left, pad, layout = card.x - card.width / 2, 0.08, self.layout
        corner, size = (left + pad, card.top + pad), (card.width - 2 * pad, card.bottom - card.top - 2 * pad)
        color: dict[str, Any] = {"facecolor": self.tints[self.space.layers[i].group], "edgecolor": "none"}
        box = FancyBboxPatch(corner, *size, f"round,pad={pad}", zorder=0, **color)
        box.set_gid(f"layer-{i}")
        axes.add_patch(box)
        head = card.top, layout.head_height, layout.head[i]
        foot = card.bottom - layout.foot_height, layout.foot_height, layout.foot[i]
        for top, height, lines in (head, foot):
            stripe = (left + 0.02, top + 0.04), card.width - 0.04, height - 0.08
            axes.add_patch(Rectangle(*stripe, alpha=0.85, zorder=3, **color))
            for row, text in enumerate(lines):
                y = top + PADDING + (row + 0.5) * LINE
                _write_text(axes, card.x, y, text, weight="normal" if row or top > card.top else "bold")

    def _faces(self, i: int) -> list[Any]:
        """Colours of the shown units of a layer: the bias, relative to the largest of them."""
        shown = self.layout.shown[i]
        blocks = [c.block for c in self.space.incoming[i] if c.role in ("bias", "shift") and c.block is not None]
        if self.space.layers[i].is_source or not blocks:
            return [INPUT if self.space.layers[i].is_source else NO_BIAS] * len(shown)
        bias = self._values(blocks[0], shown)[:, 0]
        return list(SIGNED(0.5 + 0.5 * bias / max(np.abs(bias).max(), 1e-30)))

    def _values(self, block: int, *shown: Integers) -> Array:
        """Numbers of the shown units along the axes of a block ``[..., kernel]``, with 0 for those not finite."""
        part = self.space.blocks[block]
        values = self.space.block_view(self.weights, block).reshape(*part.shape[: len(part.axes)], -1)
        for axis, units in enumerate(shown):
            values = values.index_select(axis, torch.from_numpy(units).to(values.device))
        numbers = values.to("cpu", torch.float64).numpy()
        self.finite &= bool(np.isfinite(numbers).all())
        return np.where(np.isfinite(numbers), numbers, 0.0)

    def _matrix(self, connection: Connection) -> Array:
        """Weights between the shown units ``[targets, sources]``; the signed norm of those that share an edge."""
        assert connection.block is not None
        sources, targets = (self.layout.shown[i] for i in _ends(connection))
        shown: tuple[Integers, ...] = (sources, targets) if connection.target_axis == 1 else (targets, sources)
        if len(self.space.blocks[connection.block].axes) == 1:
            shown = (targets,)
        values = self._values(connection.block, *shown)
        norms = np.sqrt((values**2).sum(-1)) * np.where(values.sum(-1) < 0, -1.0, 1.0)
        return np.diag(norms) if norms.ndim == 1 else norms.T if connection.target_axis == 1 else norms

    def _edges(self, connection: Connection) -> PathCollection:
        """The lines of a connection: a weight's with its sign and magnitude, an operand's in grey."""
        if connection.block is None:
            units = np.arange(len(self.layout.shown[connection.target]))
            alpha = min(0.7, max(0.35, 6 / len(units)))
            return _collection(self.layout.lines(connection, units, units), (*to_rgb(OPERAND), alpha), 0.6)
        matrix = self._matrix(connection)
        targets, sources = np.nonzero(matrix)
        order = np.argsort(np.abs(matrix[targets, sources]), kind="stable")
        self.num_cut += len(order) > self.max_edges
        targets, sources = targets[order[-self.max_edges :]], sources[order[-self.max_edges :]]
        weights = matrix[targets, sources]
        strength = _contrast(np.abs(weights) / np.abs(weights).max(initial=1e-30))
        colors = np.empty((len(weights), 4))
        colors[:, :3] = np.where(weights[:, None] > 0, to_rgb(POSITIVE), to_rgb(NEGATIVE))
        colors[:, 3] = 0.07 + 0.83 * strength
        return _collection(self.layout.lines(connection, sources, targets), colors, 0.3 + 1.3 * strength)


def _contrast(strength: Array) -> Array:
    """Raise magnitudes in [0, 1] to a power: the more lines there are, the fainter is the middle one."""
    if len(strength) == 0:
        return strength
    middle = min(float(np.median(strength)), 0.99)
    return strength ** min(max(math.log(min(0.5, 2.5 / math.sqrt(len(strength)))) / math.log(middle), 1.0), 12.0)


def _collection(lines: list[Line], colors: Any, widths: Any) -> PathCollection:
    return PathCollection(lines, facecolors="none", edgecolors=colors, linewidths=widths, capstyle="butt", zorder=1)


def _paint_units(axes: Axes, x: Array, y: Array, radius: float, faces: list[Any]) -> None:
    options = {"facecolors": faces, "edgecolors": INK, "linewidths": 0.5, "zorder": 4}
    sizes = [math.pi * (72 * radius) ** 2]
    units = CircleCollection(sizes, offsets=np.stack([x, y], axis=1), offset_transform=axes.transData, **options)
    axes.add_collection(units, autolim=False)


# ------------------------------------------------------------------------------------------------------- legend


class _Legend:
    """The strip below the picture: samples of what occurs in it, and what they stand for."""

    def __init__(self, picture: _Picture) -> None:
        self.picture = picture
        left, right, top = MARGIN, picture.layout.width - MARGIN, picture.layout.height
        self.samples: list[tuple[float, float, str, float, str]] = []
        x, y = left, top + LINE
        for kind, text in self._samples():
            sample = 0.2 if kind in ("plain", "input", "thinned") else 0.42
            if x > left and x + sample + _text_width(text) > right:
                x, y = left, y + 1.4 * LINE
            self.samples.append((x, y, kind, x + sample, text))
            x += sample + _text_width(text) + 0.25
        self.notes = textwrap.wrap(" ".join(self._notes()), int((right - left) / _text_width("n")))
        self.first_note = y + 1.6 * LINE
        self.height = self.first_note + len(self.notes) * LINE + MARGIN - top

    def _samples(self) -> Iterator[tuple[str, str]]:
        space, roles, layout = self.picture.space, self.picture.roles, self.picture.layout
        groups = [group.fixed for group in space.groups]
        faces = [face for faces in self.picture.faces for face in faces if isinstance(face, str)]
        samples = (
            (roles["weight"], "positive", "positive weight"),
            (roles["weight"], "negative", "negative weight"),
            (roles["operand"], "operand", "operand (a value passed on)"),
            (any(card.gap is not None for card in layout.cards.values()), "thinned", "thinned: units left out"),
            (roles["bias"] or roles["shift"], "bias", "unit, coloured by its bias"),
            (NO_BIAS in faces, "plain", "unit without bias"),
            (INPUT in faces, "input", "input"),
            (False in groups, "free", "one tint: one group of units, permuted together"),
            (True in groups, "fixed", "fixed units"),
        )
        yield from ((kind, text) for occurs, kind, text in samples if occurs)

    def _notes(self) -> Iterator[str]:
        picture, space = self.picture, self.picture.space
        weights = [c for c in space.connections if c.role == "weight"]
        if weights:
            yield "Width and opacity of a weight: its magnitude, relative to the largest one drawn of its connection."
        if any(space.blocks[c.block or 0].kernel_size > 1 for c in weights):
            yield "Kernels: their norm, with the sign of their sum."
        if picture.num_cut:
            where = _count(picture.num_cut, "connection")
            yield f"In {where} only the strongest {picture.max_edges:,} weights are drawn."
        if not picture.finite:
            yield "Weights that are not finite (NaN or infinite) are left out."

    def paint(self, axes: Axes) -> None:
        """Paint samples, their texts, and the notes."""
        for x, y, kind, text_x, text in self.samples:
            self._paint_sample(axes, x, y, kind)
            _write_text(axes, text_x, y, text, "left")
        for row, line in enumerate(self.notes):
            _write_text(axes, MARGIN, self.first_note + (row + 0.5) * LINE, line, "left")

    def _paint_sample(self, axes: Axes, x: float, y: float, kind: str) -> None:
        lines = {"positive": (POSITIVE, 1.6), "negative": (NEGATIVE, 1.6), "operand": (OPERAND, 0.8)}
        faces: dict[str, list[Any]] = {"bias": list(SIGNED([0.0, 0.5, 1.0])), "plain": [NO_BIAS], "input": [INPUT]}
        if kind in lines:
            color, width = lines[kind]
            axes.add_line(Line2D((x, x + 0.32), (y, y), color=color, linewidth=width))
        elif kind in faces:
            row = np.arange(len(faces[kind]))
            _paint_units(axes, x + 0.05 + 0.11 * row, np.full(len(row), y), 0.05, faces[kind])
        elif kind == "thinned":
            _paint_units(axes, np.full(3, x + 0.05), y + np.array([-0.05, 0, 0.05]), 0.015, [INK] * 3)
        else:
            group = [g.fixed for g in self.picture.space.groups].index(kind == "fixed")
            box = (x + 0.03, y - 0.04), 0.26, 0.08, "round,pad=0.03"
            axes.add_patch(FancyBboxPatch(*box, facecolor=self.picture.tints[group], edgecolor="none"))
