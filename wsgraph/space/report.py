"""A weight space in plain words and tables."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from wsgraph.space.report_tables import group_summary, group_table, layer_summary, layer_table, pin_table
from wsgraph.space.report_words import hints, sentences

if TYPE_CHECKING:
    from rich.table import Table

    from wsgraph.space.weight_space import WeightSpace

MAX_LAYERS, MAX_GROUPS = 40, 40
"""Larger spaces are summarised: blocks that repeat are said once."""

NAME_LENGTHS = (80, 60, 48, 40, 34, 28, 24, 20, 16, 12)
"""Names are shortened to the first of these lengths with which a table fits."""


class Report:
    """What a trace found, what it pinned and why; ``print(space.report())``, or hand it to ``rich.print``.

    Args:
        space: The weight space.
        full: Whether to list every layer and every group of a large space, too. Otherwise operators on several groups
            are one row, and blocks of layers that repeat at once are said once, with the number of repetitions.

    Example:
        >>> import torch, wsgraph
        >>> model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
        >>> print(str(wsgraph.trace(model).report()).splitlines()[1][:91])
        8 units in 1 group can be permuted. Values may be multiplied by positive numbers (1 class).
    """

    def __init__(self, space: WeightSpace, full: bool = False) -> None:
        self.space = space
        large = len(space.layers) > MAX_LAYERS or len(space.groups) > MAX_GROUPS
        self.summary = large and not full

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = min(options.max_width, 120)
        yield Text(repr(self.space))
        yield Text(textwrap.fill(" ".join(sentences(self.space)), width))
        makers = [layer_summary, group_summary] if self.summary else [layer_table, group_table]
        for make in makers:
            yield _fitting([make(self.space, length) for length in NAME_LENGTHS], console, options)
        if self.space.pins:
            yield pin_table(self.space)
        for hint in hints(self.space):
            yield Text(textwrap.fill(hint, width))

    def __str__(self) -> str:
        console = Console(width=120, color_system=None, file=None, force_terminal=False, legacy_windows=False)
        with console.capture() as capture:
            console.print(self)
        return capture.get()

    __repr__ = __str__


def _fitting(tables: list[Table], console: Console, options: ConsoleOptions) -> Table:
    """The first table that fits, or the last one."""
    free = options.update(max_width=100_000)
    fits = (table for table in tables if console.measure(table, options=free).maximum <= options.max_width)
    return next(fits, tables[-1])
