"""Pages: a long column of rows is cut into several columns, where few lines cross and modules end."""

from __future__ import annotations

from math import inf, sqrt

from wsgraph.graph.drawing.layer_rows import Rows

ASPECT = 1.6
"""Width of a picture over its height, about."""


def find_pages(rows: Rows, heights: list[float], page_width: float) -> list[range]:
    """The rows of each page.

    Args:
        rows: All rows.
        heights: Height of each row with the gap above it.
        page_width: Width of a page of one box a row, about.
    """
    if not heights:
        return []
    widths = [len(members) for members in rows.rows]
    breadth = sum(max(widths[max(row - 8, 0) : row + 8]) for row in range(len(widths))) / len(widths)
    total = sum(heights)
    number = max(1, round(total / max(sqrt(total * page_width * breadth / ASPECT), 7.0)))
    ideal, cuts = total / number, _cut_costs(rows)
    best, start = [0.0] + [inf] * len(heights), [0] * (len(heights) + 1)
    for end in range(1, len(heights) + 1):
        height = 0.0
        for first in range(end - 1, -1, -1):
            height += heights[first]
            if height > 1.6 * ideal and first < end - 1:
                break
            off = height / ideal - 1
            cost = best[first] + 2 * (off if off > 0 or end < len(heights) else off / 2) ** 2 + cuts[first]
            if cost < best[end]:
                best[end], start[end] = cost, first
    pages, end = [], len(heights)
    while end:
        pages.append(range(start[end], end))
        end = start[end]
    return pages[::-1]


def _cut_costs(rows: Rows) -> list[float]:
    """What it costs to begin a page with each row: lines that cross, modules and chains that are torn."""
    boxes, costs = rows.boxes, []
    last = [max((rows.row[t] for t in targets), default=-1) for targets in boxes.targets]
    for row in range(len(rows.rows)):
        crossing = sum(rows.row[box] < row <= last[box] for box in range(len(last)))
        band = rows.band_of_row[row]
        torn = band is not None and band.first < row
        costs.append(0.0 if row == 0 else 0.02 * crossing + 0.1 * torn + 0.5 * rows.touches(row))
    return costs
