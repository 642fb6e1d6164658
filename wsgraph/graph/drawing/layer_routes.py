"""The ways of lines between boxes: straight down, along a lane on the right, or over to another page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from wsgraph.graph.drawing.layer_layout import HEIGHT, LayerLayout, Page, Place

Point = tuple[float, float]


@dataclass
class Net:
    """Everything that one box is read by.

    Attributes:
        source: The box.
        straight: Targets below it, with nothing in between.
        beside: Other targets on its page.
        beyond: Targets on later pages, by page.
    """

    source: int
    straight: list[int] = field(default_factory=list)
    beside: list[int] = field(default_factory=list)
    beyond: dict[int, list[int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Route:
    """A line from a box to a box through corners; with four points, the middle part may be an S."""

    source: int
    target: int
    points: tuple[Point, ...]
    curved: bool = False


class Routes:
    """Places of all boxes, and a route for every pair of boxes of which one reads the other."""

    def __init__(self, layout: LayerLayout) -> None:
        self.layout, self.rows = layout, layout.rows
        self.nets = [self._net(box) for box in range(len(layout.boxes.boxes))]
        self.pitch = self._pitch()
        self.leftward = [self._left_lanes(page) for page in range(len(layout.pages))]
        self.lane: dict[int, float] = {}
        self.pages: list[Page] = []
        self.places: dict[int, Place] = {}
        x = 0.25
        for number, rows in enumerate(layout.pages):
            x += (len(self.leftward[number]) + 1) * self.pitch if self.leftward[number] else 0.0
            x = self._lay_out(rows, x) + 0.35
        self.right = x - 0.35
        self.floor = max((page.bottom for page in self.pages), default=layout.top) + 0.15
        self.tracks = self._tracks()
        self.bottom = self.floor + self.pitch * max(self.tracks.values(), default=-1) + 0.12

    def _net(self, source: int) -> Net:
        net, page = Net(source), self.layout.page_of[self.rows.row[source]]
        for target in self.layout.boxes.targets[source]:
            there = self.layout.page_of[self.rows.row[target]]
            if there != page:
                net.beyond.setdefault(there, []).append(target)
            elif self._is_free(source, self.rows.row[target]):
                net.straight.append(target)
            else:
                net.beside.append(target)
        return net

    def _is_free(self, source: int, end: int) -> bool:
        """Whether nothing stands below a box in the rows before ``end``."""
        slot = self.rows.slot[source]
        return not any((row, slot) in self.rows.occupied for row in range(self.rows.row[source] + 1, end))

    def _end_of_page(self, box: int) -> int:
        return self.layout.pages[self.layout.page_of[self.rows.row[box]]].stop

    def _has_lane(self, net: Net) -> bool:
        return bool(net.beside) or (bool(net.beyond) and not self._is_free(net.source, self._end_of_page(net.source)))

    def _span(self, net: Net) -> tuple[int, int]:
        """The rows that a lane passes."""
        first = self.rows.row[net.source]
        if net.beyond:
            return first, self._end_of_page(net.source) - 1
        return first, max(self.rows.row[target] for target in net.beside)

    def _pitch(self) -> float:
        """The distance of lanes: less where many run beside each other."""
        spans = [self._span(net) for net in self.nets if self._has_lane(net)]
        crowd = max((sum(a <= row <= b for a, b in spans) for row in range(len(self.rows.rows))), default=0)
        return min(0.1, max(0.035, 1.8 / max(crowd, 1)))

    # ---------------------------------------------------------------- places

    def _left_lanes(self, page: int) -> dict[int, int]:
        """Tracks left of a page for the nets that come from earlier pages; those that end low are next to it."""
        tops = {
            net.source: min(map(self.rows.row.__getitem__, net.beyond[page])) for net in self.nets if page in net.beyond
        }
        return {source: track for track, source in enumerate(sorted(tops, key=lambda s: (-tops[s], s)))}

    def _lay_out(self, rows: range, left: float) -> float:
        """Place the boxes and the lanes of a page; returns its right edge."""
        layout, tops = self.layout, self.layout.tops(rows)
        for row in rows:
            for box in self.rows.rows[row]:
                place = Place(left + layout.slot_left(self.rows.slot[box]), tops[row], layout.box_width)
                self.places[box] = place
        right = left + layout.content_width(rows)
        self.pages.append(Page(rows, left, right, tops[rows.stop - 1] + HEIGHT))
        nets = [net for net in self.nets if self.rows.row[net.source] in rows and self._has_lane(net)]
        taken: list[tuple[float, int, int]] = []
        for net in sorted(nets, key=lambda net: self._span(net)[1] - self._span(net)[0]):
            first, last = self._span(net)
            x = max(self.places[box].right for row in range(first, last + 1) for box in self.rows.rows[row]) + 0.16
            while any(abs(x - lane) < 0.9 * self.pitch and first <= b and a <= last for lane, a, b in taken):
                x += self.pitch
            taken.append((x, first, last))
            self.lane[net.source] = x
        return max([right, *(x for x, _, _ in taken)]) + 0.1

    def _tracks(self) -> dict[int, int]:
        """Tracks below all pages for the nets that lead to other pages."""
        tracks: dict[int, int] = {}
        taken: list[tuple[int, int, int]] = []
        for net in sorted((n for n in self.nets if n.beyond), key=lambda n: max(n.beyond) - self._page(n.source)):
            first, last, track = self._page(net.source), max(net.beyond), 0
            while any(track == t and first <= b and a <= last for t, a, b in taken):
                track += 1
            taken.append((track, first, last))
            tracks[net.source] = track
        return tracks

    def _page(self, box: int) -> int:
        return self.layout.page_of[self.rows.row[box]]

    # ---------------------------------------------------------------- routes

    def routes(self) -> Iterator[Route]:
        """All lines."""
        entries = self._entries()
        for net in self.nets:
            for target in net.straight:
                if not self.layout.touches(self.rows.row[target]):
                    yield self._straight(net.source, target)
            for target in net.beside:
                way = self._enter(target, self.lane[net.source], entries[net.source, target])
                yield Route(net.source, target, (*self._leave(net.source), *way))
            for page, targets in net.beyond.items():
                for target in targets:
                    yield self._over(net.source, page, target, entries[net.source, target])

    def _straight(self, source: int, target: int) -> Route:
        """Down from the box, and over to the target in the gap above it."""
        start, end = self.places[source], self.places[target]
        high, low = (max(end.top - turn, start.bottom) for turn in self.layout.turn(self.rows.row[target]))
        points = (start.middle, start.bottom), (start.middle, high), (end.middle, low), (end.middle, end.top)
        return Route(source, target, points, curved=True)

    def _over(self, source: int, page: int, target: int, y: float) -> Route:
        """Down to the floor, along it, and up left of the target's page."""
        floor = self.floor + self.pitch * self.tracks[source]
        up = self.pages[page].left - 0.16 - self.pitch * self.leftward[page][source]
        way = self._leave(source)
        return Route(source, target, (*way, (way[-1][0], floor), (up, floor), *self._enter(target, up, y)))

    def _leave(self, box: int) -> tuple[Point, ...]:
        """From a box to its lane: on the right, or below if another box stands there; or straight down."""
        place = self.places[box]
        if box not in self.lane:
            return ((place.middle, place.bottom),)
        x = self.lane[box]
        if self._is_between(box, x):
            return (place.middle, place.bottom), (place.middle, place.bottom + 0.06), (x, place.bottom + 0.06)
        return (place.right, place.top + 0.72 * HEIGHT), (x, place.top + 0.72 * HEIGHT)

    def _enter(self, box: int, x: float, y: float) -> tuple[Point, ...]:
        """From a lane into a box: from the side, or from above if another box stands there."""
        place = self.places[box]
        if self._is_between(box, x):
            above = place.top - 0.07 + 0.4 * (y - place.top - 0.3 * HEIGHT)
            return (x, above), (place.middle, above), (place.middle, place.top)
        return (x, y), (place.right if x > place.right else place.left, y)

    def _is_between(self, box: int, x: float) -> bool:
        """Whether another box of the row stands between a box and a lane."""
        left, right = sorted((self.places[box].middle, x))
        row = self.rows.rows[self.rows.row[box]]
        return any(left < self.places[other].middle < right for other in row)

    def _entries(self) -> dict[tuple[int, int], float]:
        """The heights at which lines enter boxes from the side; outer lanes cross as few inner ones as possible."""
        sides: dict[tuple[int, bool], list[tuple[float, int]]] = {}
        for net in self.nets:
            for target in net.beside:
                sides.setdefault((target, True), []).append((self.lane[net.source], net.source))
            for page, targets in net.beyond.items():
                for target in targets:
                    track = -self.leftward[page][net.source]
                    sides.setdefault((target, False), []).append((track, net.source))
        found = {}
        for (target, _), sources in sides.items():
            step = min(0.06, 0.5 * HEIGHT / len(sources))
            for i, (_, source) in enumerate(sorted(sources)):
                found[source, target] = self.places[target].top + 0.3 * HEIGHT + (i - (len(sources) - 1) / 2) * step
        return found
