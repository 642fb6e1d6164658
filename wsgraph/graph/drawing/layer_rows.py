"""Rows of boxes: one for each depth, with branches beside each other, and bands of rows that are one module."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from wsgraph.graph.drawing.layer_boxes import Boxes

MAX_SLOTS, MAX_BAND = 6, 12
"""How many boxes stand in one row, and how many rows the modules have that are shown as bands, at most."""


@dataclass(frozen=True)
class Band:
    """Rows ``first`` to ``last`` belong to one module."""

    name: str
    first: int
    last: int


class Rows:
    """Row and slot of each box.

    Attributes:
        rows: The boxes of each row.
        row: The row of each box.
        slot: The place of each box in its row; a chain stays in its slot.
    """

    def __init__(self, boxes: Boxes) -> None:
        self.boxes = boxes
        by_depth: dict[int, list[int]] = defaultdict(list)
        for box, depth in enumerate(boxes.depth):
            by_depth[depth].append(box)
        self.rows = [
            members[start : start + MAX_SLOTS]
            for _, members in sorted(by_depth.items())
            for start in range(0, len(members), MAX_SLOTS)
        ]
        self.row = {box: r for r, members in enumerate(self.rows) for box in members}
        self.slot: dict[int, int] = {}
        for members in self.rows:
            self._place(members)

    def _place(self, members: list[int]) -> None:
        """Give every box of a row the first slot of its sources, or the next free one to the right."""
        wanted = {}
        for box in members:
            alone = not self.boxes.sources[box] and not self.boxes.targets[box]
            places = [self.slot[source] for source in self.boxes.sources[box] if source in self.slot]
            wanted[box] = min(places, default=len(members) - 1 if alone else 0)
        taken: set[int] = set()
        for box in sorted(members, key=lambda box: (wanted[box], box)):
            slot = next(s for s in range(wanted[box], MAX_SLOTS + len(self.rows)) if s not in taken)
            taken.add(slot)
            self.slot[box] = slot

    @cached_property
    def occupied(self) -> set[tuple[int, int]]:
        """Row and slot of every box."""
        return {(self.row[box], slot) for box, slot in self.slot.items()}

    def width(self, first: int, last: int) -> int:
        """The number of slots that the rows from ``first`` to ``last`` need."""
        return 1 + max(self.slot[box] for row in self.rows[first : last + 1] for box in row)

    def touches(self, row: int) -> bool:
        """Whether a row continues the one above it: every box passes on the units of the box above it."""
        if not row or len(self.rows[row]) != len(self.rows[row - 1]):
            return False
        return all(self._continues(box) for box in self.rows[row])

    def _continues(self, box: int) -> bool:
        boxes, sources = self.boxes, self.boxes.sources[box]
        if len(sources) != 1 or any(sources.values()):
            return False
        (source,) = sources
        same_place = self.row[source] == self.row[box] - 1 and self.slot[source] == self.slot[box]
        return same_place and boxes.targets[source] == [box] and boxes.groups(source) == boxes.groups(box)

    # ----------------------------------------------------------------- bands

    @cached_property
    def bands(self) -> list[Band]:
        """Runs of at least two rows that belong to one module."""
        runs = groupby(range(len(self.rows)), key=self._band_of_row)
        ends = [(name, list(rows)) for name, rows in runs]
        return [Band(name, rows[0], rows[-1]) for name, rows in ends if name and len(rows) > 1]

    @cached_property
    def band_of_row(self) -> list[Band | None]:
        """The band of each row, or None."""
        found: list[Band | None] = [None] * len(self.rows)
        for band in self.bands:
            found[band.first : band.last + 1] = [band] * (band.last + 1 - band.first)
        return found

    @cached_property
    def _num_rows(self) -> dict[tuple[str, ...], int]:
        """For each module, as a path with its numbers left out, the largest number of rows of one of its kind."""
        rows: dict[tuple[str, ...], set[int]] = defaultdict(set)
        for box, row in self.row.items():
            module = self.boxes.boxes[box].module
            for end in range(1, len(module) + 1):
                rows[module[:end]].add(row)
        largest: dict[tuple[str, ...], int] = defaultdict(int)
        for module, found in rows.items():
            largest[_pattern(module)] = max(largest[_pattern(module)], len(found))
        return largest

    def _band_of_row(self, row: int) -> str:
        names = {self._band_of_box(box) for box in self.rows[row]}
        return names.pop() if len(names) == 1 else ""

    def _band_of_box(self, box: int) -> str:
        """The largest module around a box that is small enough for a band."""
        module = self.boxes.boxes[box].module
        prefixes = [module[:end] for end in range(1, len(module) + 1)]
        fitting = [p for p in prefixes if self._num_rows[_pattern(p)] <= MAX_BAND]
        return ".".join((fitting or prefixes[-1:] or [()])[0])


def _pattern(module: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(re.sub(r"\d+", "#", part) for part in module)
