"""Lanes for the connections that jump over columns."""

from wsgraph.space import Connection, WeightSpace


def find_lanes(space: WeightSpace, depth: list[int], columns: list[list[int]]) -> dict[Connection, tuple[int, int]]:
    """Side (-1 above, 1 below) and track of each connection that jumps over columns; short jumps run inside."""
    place = {i: (row + 0.5) / len(column) for column in columns for row, i in enumerate(column)}
    spans = [(depth[c.source], depth[c.target], c.source, c) for c in space.connections if c.source is not None]
    lanes: dict[Connection, tuple[int, int]] = {}
    taken: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for first, last, source, connection in sorted(spans, key=lambda span: span[1] - span[0]):
        if last - first == 1:
            continue
        side, track = 1 if place[source] + place[connection.target] > 1 else -1, 0
        while any(first < b and a < last for a, b in taken.get((side, track), [])):
            track += 1
        taken.setdefault((side, track), []).append((first, last))
        lanes[connection] = side, track
    return lanes
