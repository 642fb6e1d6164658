"""Colours and lines of pictures of layers."""

from __future__ import annotations

from math import hypot

from matplotlib.path import Path as Line

from wsgraph.graph.drawing.layer_routes import Point, Route

GREY, BAND, RIM = "#8c8c8c", "#f6f6f6", "#d9d9d9"
"""Lines and edges of no one group; the ground of a band and its edge."""

READ, PASSED = 0.9, 1.7
"""Widths of lines, in points."""

RADIUS, HEAD = 0.07, 0.06
"""Radius of corners and length of arrowheads, in inches."""


def line(route: Route) -> Line:
    """The line of a route, with rounded corners."""
    points = route.points
    if route.curved:
        start, high, low, end = points
        middle = (high[1] + low[1]) / 2
        vertices = [start, high, (high[0], middle), (low[0], middle), low, end]
        return Line(vertices, [Line.MOVETO, Line.LINETO, *[Line.CURVE4] * 3, Line.LINETO])
    vertices, codes = [points[0]], [Line.MOVETO]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        radius = min(RADIUS, *(hypot(corner[0] - p[0], corner[1] - p[1]) / 2 for p in (before, after)))
        if radius > 0:
            vertices += [_towards(corner, before, radius), corner, _towards(corner, after, radius)]
            codes += [Line.LINETO, Line.CURVE3, Line.CURVE3]
    return Line([*vertices, points[-1]], [*codes, Line.LINETO])


def head(route: Route) -> list[Point]:
    """A small triangle at the end of a line."""
    (before_x, before_y), (x, y) = route.points[-2:]
    half = HEAD / 2
    if route.curved or abs(before_y - y) > abs(before_x - x):
        return [(x, y), (x - half, y - HEAD), (x + half, y - HEAD)]
    back = x + (HEAD if before_x > x else -HEAD)
    return [(x, y), (back, y - half), (back, y + half)]


def _towards(a: Point, b: Point, length: float) -> Point:
    share = length / hypot(b[0] - a[0], b[1] - a[1])
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share
