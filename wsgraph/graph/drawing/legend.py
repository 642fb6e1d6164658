"""The strip below a picture: samples of what occurs in it, and what they stand for."""

import textwrap
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch

from wsgraph.graph.drawing.canvas import LINE, MARGIN, Color, is_still, text_width, write_text
from wsgraph.space import WeightSpace

Sample = tuple[float, Callable[[Axes, float, float], None], str]
"""Width of a sample, how to paint it at a place, and its text."""


class Legend:
    """Samples in lines from left to right, then notes."""

    def __init__(self, samples: Iterable[tuple[Any, Sample]], notes: Iterable[str], top: float, width: float) -> None:
        right = width - MARGIN
        self.samples: list[tuple[float, float, Sample]] = []
        x, y = MARGIN, top + LINE
        for sample in (sample for occurs, sample in samples if occurs):
            step = sample[0] + text_width(sample[2])
            if x > MARGIN and x + step > right:
                x, y = MARGIN, y + 1.4 * LINE
            self.samples.append((x, y, sample))
            x += step + 0.25
        self.notes = textwrap.wrap(" ".join(notes), max(int((right - MARGIN) / text_width("n")), 20))
        self.first_note = y + 1.6 * LINE
        self.height = self.first_note + len(self.notes) * LINE + MARGIN - top

    def paint(self, axes: Axes) -> None:
        """Paint samples, their texts, and the notes."""
        for x, y, (width, paint, text) in self.samples:
            paint(axes, x, y)
            write_text(axes, x + width, y, text, "left")
        for row, line in enumerate(self.notes):
            write_text(axes, MARGIN, self.first_note + (row + 0.5) * LINE, line, "left")


def line_sample(occurs: Any, color: str, width: float, text: str) -> tuple[Any, Sample]:
    """A line, and what it stands for."""
    return occurs, (0.42, partial(_paint_line, color=color, width=width), text)


def tint_samples(space: WeightSpace, tints: list[Color]) -> Iterator[tuple[Any, Sample]]:
    """The tint of the first free group, and that of fixed ones."""
    for still, text in ((False, "one tint: one group of units, permuted together"), (True, "fixed units")):
        colors = [color for group, color in enumerate(tints) if is_still(space, group) == still]
        yield colors, (0.42, partial(_paint_tint, color=colors[:1]), text)


def _paint_line(axes: Axes, x: float, y: float, color: str, width: float) -> None:
    axes.add_line(Line2D((x, x + 0.32), (y, y), color=color, linewidth=width))


def _paint_tint(axes: Axes, x: float, y: float, color: list[Color]) -> None:
    box = (x + 0.03, y - 0.04), 0.26, 0.08, "round,pad=0.03"
    axes.add_patch(FancyBboxPatch(*box, facecolor=color[0], edgecolor="none"))
