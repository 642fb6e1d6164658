"""Pictures of large networks: a box for each layer, lines for what it reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from matplotlib.axes import Axes
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.patches import Rectangle

from wsgraph.graph.drawing.canvas import LINE, MARGIN, shorten, text_width, tints, title, write_text
from wsgraph.graph.drawing.layer_layout import EDGE, HEADER, HEIGHT, SMALL, LayerLayout
from wsgraph.graph.drawing.layer_legend import layer_legend
from wsgraph.graph.drawing.layer_marks import BAND, GREY, PASSED, READ, RIM, head, line
from wsgraph.graph.drawing.layer_routes import Routes
from wsgraph.space import WeightSpace


class LayerPicture:
    """A weight space, layer by layer; paints bands, lines, boxes and labels, in this order."""

    def __init__(self, space: WeightSpace) -> None:
        self.space = space
        self.layout = LayerLayout(space)
        self.routes = Routes(self.layout)
        self.tints = tints(space)
        self.inks = tints(space, 0.45, GREY)
        self.width = max(self.routes.right + MARGIN, 4.6)
        self.legend = layer_legend(self)
        self.height = self.routes.bottom + self.legend.height

    def paint(self, axes: Axes) -> None:
        """Paint everything."""
        write_text(axes, MARGIN, MARGIN + LINE / 2, title(self.space), "left", weight="bold")
        for name, left, top, right, bottom in self._bands():
            _paint_band(axes, name, left, top, right, bottom)
        self._paint_lines(axes)
        self._paint_boxes(axes)
        self._write_labels(axes)
        self.legend.paint(axes)

    def _bands(self) -> Iterator[tuple[str, float, float, float, float]]:
        """Name and edges of every band on every page."""
        rows, places = self.layout.rows, self.routes.places
        for page in self.routes.pages:
            for band in rows.bands:
                first, last = max(band.first, page.rows.start), min(band.last, page.rows.stop - 1)
                if first <= last:
                    name = band.name + (" …" if first > band.first else "")
                    inside = [places[box] for row in rows.rows[first : last + 1] for box in row]
                    left, right = page.left, max(place.right for place in inside)
                    yield name, left, min(p.top for p in inside), right, max(p.bottom for p in inside)

    def _paint_lines(self, axes: Axes) -> None:
        routes = list(self.routes.routes())
        sources = self.layout.boxes.sources
        colors = [self._ink(route.source) for route in routes]
        widths = [READ if sources[route.target][route.source] else PASSED for route in routes]
        options: dict[str, Any] = {"facecolors": "none", "capstyle": "butt", "joinstyle": "round", "zorder": 1}
        lines = PathCollection([line(r) for r in routes], edgecolors=colors, linewidths=widths, **options)
        heads = PolyCollection([head(r) for r in routes], facecolors=colors, edgecolors="none", zorder=1)
        for collection in (lines, heads):
            axes.add_collection(collection, autolim=False)

    def _ink(self, box: int) -> Any:
        """The colour of the edge of a box and of the lines from it: that of its group, if it has but one."""
        groups = self.layout.boxes.groups(box)
        return self.inks[next(iter(groups))] if len(groups) == 1 else GREY

    def _paint_boxes(self, axes: Axes) -> None:
        """A stripe for each group in a box, and its edge."""
        stripes, tints, edges, inks = [], [], [], []
        for box, place in self.routes.places.items():
            groups = self.layout.boxes.groups(box)
            left, share = place.left, place.width / max(sum(groups.values()), 1)
            for group, units in groups.items():
                stripes.append(_rectangle(left, place.top, left + units * share, place.bottom))
                tints.append(self.tints[group])
                left += units * share
            edges.append(_rectangle(place.left, place.top, place.right, place.bottom))
            inks.append(self._ink(box))
        for collection in (
            PolyCollection(stripes, facecolors=tints, edgecolors="none", zorder=2),
            PolyCollection(edges, facecolors="none", edgecolors=inks, linewidths=0.6, zorder=3),
        ):
            axes.add_collection(collection, autolim=False)

    def _write_labels(self, axes: Axes) -> None:
        for box, place in self.routes.places.items():
            name, symbols, text, units = self.layout.labels[box]
            first, second = place.top + 0.3 * HEIGHT, place.top + 0.72 * HEIGHT
            write_text(axes, place.left + 0.05, first, name, "left", weight="bold", size=SMALL)
            write_text(axes, place.right - 0.05, first, symbols, "right", size=SMALL)
            write_text(axes, place.left + 0.05, second, text, "left", size=SMALL)
            write_text(axes, place.right - 0.05, second, units, "right", size=SMALL)


def _rectangle(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _paint_band(axes: Axes, name: str, left: float, top: float, right: float, bottom: float) -> None:
    """The ground of a band around its boxes, and the name of the module above them."""
    corner, size = (left - EDGE, top - HEADER + 0.02), (right - left + 2 * EDGE, bottom - top + HEADER - 0.02 + EDGE)
    axes.add_patch(Rectangle(corner, *size, facecolor=BAND, edgecolor=RIM, linewidth=0.6, zorder=0))
    name = _fitting(name, right - left)
    patch = (left, top - HEADER + 0.03), text_width(name, size=SMALL), 0.14
    axes.add_patch(Rectangle(*patch, color=BAND, linewidth=0, zorder=2))
    write_text(axes, left, top - HEADER + 0.1, name, "left", size=SMALL, color="#595959")


def _fitting(path: str, width: float) -> str:
    """The path of a module, without its first parts if it is too long, and then shortened until it fits."""
    parts = path.split(".")
    names = ["…" * bool(start) + ".".join(parts[start:]) for start in range(len(parts))]
    names += [shorten(parts[-1], limit) for limit in range(len(parts[-1]), 4, -1)]
    return next((name for name in names if text_width(name, size=SMALL) <= width), names[-1])
