"""Pictures of small networks: layers as columns of circles, weights as lines between them."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.path import Path as Line

from wsgraph.graph.drawing.canvas import INK, INPUT, LINE, MARGIN, PADDING, tints, title, write_text
from wsgraph.graph.drawing.unit_layout import Array, Card, UnitLayout
from wsgraph.graph.drawing.unit_legend import unit_legend
from wsgraph.graph.drawing.unit_marks import NEGATIVE, NO_BIAS, OPERAND, POSITIVE, SIGNED, paint_units
from wsgraph.graph.drawing.unit_numbers import Numbers
from wsgraph.graph.links import Link, links

if TYPE_CHECKING:
    from wsgraph.graph.neuron_graph import NeuronGraph

MAX_EDGES, MAX_EDGES_IN_ALL = 1500, 40_000
"""How many weights are drawn of one connection, and (about) of all connections."""


class UnitPicture:
    """A neuron graph and its layout; paints boxes, edges, units and labels, in this order."""

    def __init__(self, graph: NeuronGraph, max_units: int) -> None:
        self.space = graph.spaces[0]
        self.layout = UnitLayout(self.space, max_units)
        self.numbers = Numbers(graph, self.layout.shown)
        self.tints = tints(self.space)
        self.roles = Counter(c.role for c in self.space.connections)
        self.max_edges = max(50, min(MAX_EDGES, MAX_EDGES_IN_ALL // max(self.roles["weight"], 1)))
        self.num_cut = 0
        self.edges = [self._edges(link) for link in links(self.space)]
        self.faces = [self._faces(i) for i in range(len(self.space.layers))]
        self.legend = unit_legend(self)
        self.width, self.height = self.layout.width, self.layout.height + self.legend.height

    def paint(self, axes: Axes) -> None:
        """Paint everything."""
        write_text(axes, MARGIN, MARGIN + LINE / 2, title(self.space), "left", weight="bold")
        for edges in self.edges:
            axes.add_collection(edges, autolim=False)
        for i, card in self.layout.cards.items():
            self._paint_card(axes, i, card)
            paint_units(axes, np.full(len(card.y), card.x), card.y, self.layout.radius, self.faces[i])
            if card.gap is not None:
                dots = card.gap + np.array([-0.25, 0, 0.25]) * self.layout.pitch
                paint_units(axes, np.full(3, card.x), dots, 0.08 * self.layout.pitch, [INK] * 3)
        self.legend.paint(axes)

    def _paint_card(self, axes: Axes, i: int, card: Card) -> None:
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
                write_text(axes, card.x, y, text, weight="normal" if row or top > card.top else "bold")

    def _faces(self, i: int) -> list[Any]:
        """Colours of the shown units of a layer: the bias, relative to the largest of them."""
        source = self.space.layers[i].is_source
        bias = None if source else self.numbers.bias(i)
        if bias is None:
            return [INPUT if source else NO_BIAS] * len(self.layout.shown[i])
        return list(SIGNED(0.5 + 0.5 * bias / max(np.abs(bias).max(), 1e-30)))

    def _edges(self, link: Link) -> PathCollection:
        """The lines of a connection: a weight's with its sign and magnitude, an operand's in grey."""
        matrix = self.numbers.matrix(link)
        targets, sources = np.nonzero(matrix)
        if link.block is None:
            alpha = min(0.7, max(0.35, 6 / max(len(targets), 1)))
            lines = self.layout.lines(link.connection, sources, targets)
            return _collection(lines, (*to_rgb(OPERAND), alpha), 0.6)
        order = np.argsort(np.abs(matrix[targets, sources]), kind="stable")
        self.num_cut += len(order) > self.max_edges
        targets, sources = targets[order[-self.max_edges :]], sources[order[-self.max_edges :]]
        weights = matrix[targets, sources]
        strength = _contrast(np.abs(weights) / np.abs(weights).max(initial=1e-30))
        colors = np.empty((len(weights), 4))
        colors[:, :3] = np.where(weights[:, None] > 0, to_rgb(POSITIVE), to_rgb(NEGATIVE))
        colors[:, 3] = 0.07 + 0.83 * strength
        return _collection(self.layout.lines(link.connection, sources, targets), colors, 0.3 + 1.3 * strength)


def _contrast(strength: Array) -> Array:
    """Raise magnitudes in [0, 1] to a power: the more lines there are, the fainter is the middle one."""
    if len(strength) == 0:
        return strength
    middle = min(float(np.median(strength)), 0.99)
    return strength ** min(max(math.log(min(0.5, 2.5 / math.sqrt(len(strength)))) / math.log(middle), 1.0), 12.0)


def _collection(lines: list[Line], colors: Any, widths: Any) -> PathCollection:
    return PathCollection(lines, facecolors="none", edgecolors=colors, linewidths=widths, capstyle="butt", zorder=1)
