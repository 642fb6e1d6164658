"""Repeated structure in a table: the blocks of a deep network are said once."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence
from itertools import chain, groupby
from typing import NamedTuple

MAX_PERIOD = 64
"""The longest run of modules that is recognised as a block."""


class Row(NamedTuple):
    """A row of a table.

    Attributes:
        path: The module that it is about, and the name of the row in it.
        cells: What it says.
        key: What repetitions of it have in common.
    """

    path: tuple[str, ...]
    cells: tuple[str, ...]
    key: Hashable


class Repeat(NamedTuple):
    """From ``start``, ``period`` entries follow one another ``times`` times."""

    start: int
    period: int
    times: int


def summarised(rows: Sequence[Row], level: int = 0, times: int = 1) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Counts and cells of a shorter table: modules side by side that differ in numbers only are merged.

    Args:
        rows: The rows of the table, in order.
        level: How many parts of their paths all rows share.
        times: How often all rows occur.
    """
    items = [list(item) for _, item in groupby(rows, key=lambda row: row.path[level : level + 1])]
    keys = [tuple((pattern(row.path[level:]), row.key) for row in item) for item in items]
    for start, period, count in find_repeats(keys):
        copies = [items[first : first + period] for first in range(start, start + period * count, period)]
        block = [_merged_rows(same) for same in zip(*map(chain.from_iterable, copies), strict=True)]
        if period == 1 and len(block) > 1 and any(len(row.path) > level + 1 for row in block):
            yield from summarised(block, level + 1, times * count)
        else:
            yield from ((times * count, row.cells) for row in block)


def _merged_rows(rows: Sequence[Row]) -> Row:
    cells = tuple(map(merged, zip(*(row.cells for row in rows), strict=True)))
    return rows[0]._replace(cells=cells)


def find_repeats(keys: Sequence[Hashable]) -> list[Repeat]:
    """Cut a list into blocks that repeat at once, and single entries.

    Example:
        >>> find_repeats("xabababy")
        [Repeat(start=0, period=1, times=1), Repeat(start=1, period=2, times=3), Repeat(start=7, period=1, times=1)]
    """
    numbers: dict[Hashable, int] = {}
    codes = [numbers.setdefault(key, len(numbers)) for key in keys]
    found, start = [], 0
    while start < len(codes):
        best = Repeat(start, 1, 1)
        for period in range(1, min(MAX_PERIOD, (len(codes) - start) // 2) + 1):
            end = start + period
            while end < len(codes) and codes[end] == codes[end - period]:
                end += 1
            repeat = Repeat(start, period, (end - start) // period)
            if repeat.times > 1 and repeat.times * period > best.times * best.period:
                best = repeat
        found.append(best)
        start += best.period * best.times
    return found


def pattern(path: Sequence[str]) -> tuple[str, ...]:
    """A module path without the numbers that tell blocks apart; the last part keeps those that belong to its name.

    Example:
        >>> pattern(["layer3", "11", "conv2"]), pattern(["blocks", "7"])
        (('layer#', '#', 'conv2'), ('blocks', '#'))
    """
    last = ["#" if part.isdigit() else part for part in path[-1:]]
    return (*(re.sub(r"\d+", "#", part) for part in path[:-1]), *last)


def merged(texts: Sequence[str]) -> str:
    """Texts that differ in numbers only, as one; otherwise the first of them and an ellipsis.

    Example:
        >>> merged(["layer3.1.conv2", "layer3.2.conv2", "layer3.3.conv2"]), merged(["64", "128"]), merged(["a", "b"])
        ('layer3.{1…3}.conv2', '64 … 128', 'a, …')
    """
    if len(set(texts)) == 1:
        return texts[0]
    if len(stems := {re.sub(r"_\d+$", "", text) for text in texts}) == 1:
        return f"{stems.pop()}_…"
    pieces = [re.split(r"(\d+)", text) for text in texts]
    if len({tuple(piece[::2]) for piece in pieces}) > 1:
        return f"{texts[0]}, …"
    columns = [list(dict.fromkeys(column)) for column in zip(*pieces, strict=True)]
    if len(columns) == 3 and not columns[0][0] and not columns[2][0]:
        return f"{columns[1][0]} … {columns[1][-1]}"
    return "".join(c[0] if len(c) == 1 else f"{{{c[0]}{',' if len(c) == 2 else '…'}{c[-1]}}}" for c in columns)
