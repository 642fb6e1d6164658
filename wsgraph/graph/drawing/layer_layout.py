"""Where the boxes of a picture by layers stand: pages from left to right, rows from the top down."""

from __future__ import annotations

from dataclasses import dataclass

from wsgraph.graph.drawing.canvas import LINE, MARGIN, shorten, symbol, text_width
from wsgraph.graph.drawing.layer_boxes import Boxes
from wsgraph.graph.drawing.layer_pages import find_pages
from wsgraph.graph.drawing.layer_rows import Band, Rows
from wsgraph.space import WeightSpace
from wsgraph.space.operators import calls

SMALL = 7.0
"""Font size in a box."""

HEIGHT, GAP, TOUCH, ASIDE = 0.34, 0.2, 0.02, 0.22
"""Height of a box, the gap above it, the gap between a box and its norm, and the gap between branches."""

HEADER, EDGE = 0.27, 0.09
"""Room for the name of a band, and the rim around its boxes."""

MAX_LETTERS = 22


@dataclass(frozen=True)
class Place:
    """Where a box stands."""

    left: float
    top: float
    width: float

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.left + self.width

    @property
    def middle(self) -> float:
        """The middle between left and right."""
        return self.left + self.width / 2

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.top + HEIGHT


@dataclass(frozen=True)
class Page:
    """A column of rows: its left edge, the right edge of its boxes and the lower edge of the last one."""

    rows: range
    left: float
    right: float
    bottom: float


class LayerLayout:
    """Pages, and boxes on them. Lanes for lines are added to the width of a page by whoever draws lines."""

    def __init__(self, space: WeightSpace) -> None:
        self.space = space
        self.boxes = Boxes(space)
        self.rows = Rows(self.boxes)
        self.labels = [self._label(box) for box in range(len(self.boxes.boxes))]
        needed = [self._width(*label) for label in self.labels]
        self.box_width = min(max([1.0, *needed]), 2.0)
        self.heights = [self._gap(row) + HEIGHT for row in range(len(self.rows.rows))]
        self.pages = find_pages(self.rows, self.heights, self.box_width + 0.8)
        self.page_of = [p for p, rows in enumerate(self.pages) for _ in rows]
        self.top = MARGIN + 2 * LINE

    def _gap(self, row: int) -> float:
        """The gap above a row."""
        band = self.rows.band_of_row[row]
        before = self.rows.band_of_row[row - 1] if row else None
        if band is before:
            return TOUCH if self.touches(row) else self._room(row)
        return self._room(row) + (HEADER if band else 0.0) + (EDGE if before else 0.0)

    def touches(self, row: int) -> bool:
        """Whether the boxes of a row touch those above them, in place of a line."""
        bands = self.rows.band_of_row
        return row > 0 and bands[row] is bands[row - 1] and self.rows.touches(row)

    def _room(self, row: int) -> float:
        """Height for the lines that go from slot to slot above a row."""
        slot, sources = self.rows.slot, self.boxes.sources
        aside = sum(slot[source] != slot[box] for box in self.rows.rows[row] for source in sources[box])
        return GAP + 0.03 * min(aside, 10)

    def turn(self, row: int) -> tuple[float, float]:
        """How far above a row its lines may go from slot to slot: from, to."""
        below = HEADER if self._begins_band(row) else 0.0
        return below + self._room(row), below

    def _begins_band(self, row: int) -> bool:
        band = self.rows.band_of_row[row]
        return band is not None and (band.first == row or self.pages[self.page_of[row]].start == row)

    def tops(self, page: range) -> dict[int, float]:
        """The upper edge of each row of a page."""
        tops, y = {}, self.top
        for row in page:
            band = self.rows.band_of_row[row]
            first = row == page.start
            y += (HEADER if band else 0.0) if first else self.heights[row] - HEIGHT
            tops[row] = y
            y += HEIGHT
        return tops

    def content_width(self, page: range) -> float:
        """Width of the boxes of a page."""
        slots = self.rows.width(page.start, page.stop - 1)
        return slots * self.box_width + (slots - 1) * ASIDE

    def slot_left(self, slot: int) -> float:
        """Distance of a slot from the left edge of the page."""
        return slot * (self.box_width + ASIDE)

    # ---------------------------------------------------------------- labels

    def _label(self, box: int) -> tuple[str, str, str, str]:
        """Name, multipliers, calls and number of units: left and right of the first line and of the second."""
        space, node = self.space, self.boxes.boxes[box]
        layer = space.layers[node.layers[0]]
        band = self.rows.band_of_row[self.rows.row[box]]
        name = node.name.removeprefix(band.name).removeprefix(".") if isinstance(band, Band) else node.name
        symbols = dict.fromkeys(symbol(space, space.layers[i]) for i in node.layers)
        text = " → ".join(calls(layer)) + (" · output" if layer.output else "")
        units = self._units(layer.group) if len(node.layers) == 1 else f"{sum(map(space.size, node.layers)):,}"
        short = shorten(name or "·", MAX_LETTERS), " ".join(filter(None, symbols)), _cut(text), units
        return short if name else (short[2], short[1], "", short[3])

    def _units(self, group: int) -> str:
        """The number of units: in all, or of pieces and in each."""
        size, pieces = self.space.groups[group].size, self.space.num_pieces(group)
        return f"{size:,}" if pieces == 1 else f"{pieces:,} × {size // pieces:,}"

    def _width(self, name: str, symbols: str, text: str, units: str) -> float:
        first = text_width(name, "bold", SMALL) + text_width(symbols, size=SMALL)
        return max(first, text_width(text, size=SMALL) + text_width(units, size=SMALL)) + 0.3


def _cut(text: str) -> str:
    return text if len(text) <= MAX_LETTERS else text[: MAX_LETTERS - 1].rstrip() + "…"
