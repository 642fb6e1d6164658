"""What all pictures share: paper, ink, tints and text. Lengths are in inches, from the upper left corner."""

from __future__ import annotations

import colorsys
import math
from functools import lru_cache
from io import BytesIO
from typing import Any, Protocol

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from wsgraph.space import NeuronLayer, ScaleSet, WeightSpace
from wsgraph.space.across import linear_group

Color = tuple[float, float, float]

INK, INPUT, FIXED = "#262626", "#4d4d4d", "#ebebeb"
SYMBOLS = {ScaleSet.ONE: "", ScaleSet.SIGN: "±", ScaleSet.POSITIVE: ">0", ScaleSet.NONZERO: "≠0"}

DPI, MAX_SIDE, MAX_PIXELS = 150, 20_000, 20_000_000
"""Resolution of a PNG file, lowered where the picture would have a longer side or more pixels than this."""

FONT, MARGIN, PADDING, LINE = 8.0, 0.25, 0.12, 0.15
"""Font size in points; margin of the picture, padding of a box and height of a line of text in inches."""


class Picture(Protocol):
    """Something with a size that can be painted."""

    width: float
    height: float

    def paint(self, axes: Axes) -> None:
        """Paint it on axes in inches."""


def render(picture: Picture, ending: str) -> bytes:
    """The bytes of a PNG or SVG file."""
    width, height = picture.width, picture.height
    dpi = min(DPI, MAX_SIDE / max(width, height), math.sqrt(MAX_PIXELS / (width * height)))
    figure = Figure(figsize=(width, height), dpi=72 if ending == ".svg" else dpi, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    picture.paint(axes)
    file = BytesIO()
    if ending == ".svg":
        FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None})
    else:
        FigureCanvasAgg(figure).print_png(file)
    return file.getvalue()


# --------------------------------------------------------------------------------------------------------- text


@lru_cache(maxsize=10_000)
def text_width(text: str, weight: str = "normal", size: float = FONT) -> float:
    """Width of one line of text."""
    font = FontProperties(size=size, weight=weight)
    return text_to_path.get_text_width_height_descent(text, font, False)[0] / 72


def write_text(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    align: str = "center",
    *,
    weight: str = "normal",
    size: float = FONT,
    color: str = INK,
) -> None:
    """One line of text, with its middle at height y."""
    if not text:
        return
    font: dict[str, Any] = {"fontsize": size, "fontweight": weight, "color": color, "parse_math": False}
    axes.text(x, y, text, ha=align, va="center_baseline", zorder=5, **font)


def count(number: int, word: str) -> str:
    """``"1 unit"``, ``"2,000 units"``."""
    return f"{number:,} {word}{'s' * (number != 1)}"


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters; the end of a module path says more than its beginning."""
    if len(text) <= limit:
        return text
    first, last = text[: limit // 3], text[limit // 3 + 1 - limit :]
    return f"{first.rstrip('.')}…{last.lstrip('.')}"


def title(space: WeightSpace) -> str:
    """The heading of a picture."""
    numbers = {"layer": len(space.layers), "unit": space.num_nodes, "weight": space.num_weights}
    return " · ".join(count(number, word) for word, number in numbers.items())


def symbol(space: WeightSpace, layer: NeuronLayer) -> str:
    """What may act on the units of a layer: ``"±"``, ``">0"``, ``"≠0"``, ``"GL(64)"``, ``"∠"``, or nothing."""
    base = linear_group(space, layer.group)
    kind = space.groups[base].linear
    if kind.is_square:
        return kind.of_size(space.groups[base].size // space.num_pieces(base))
    free = [(space.scales[f.scale_class].values, f) for f in layer.scale]
    magnitude = any(values.has_magnitude and f.power for values, f in free)
    sign = any(values.has_sign and f.parity for values, f in free)
    return " ".join([*SYMBOLS[ScaleSet.of(magnitude, sign)].split(), *("∠" if kind else "")])


def is_still(space: WeightSpace, group: int) -> bool:
    """Whether the units of a group stay in place: fixed, and not parts of larger units that move."""
    return space.groups[group].fixed and group not in space.moving_groups


# ------------------------------------------------------------------------------------------------------- colour


def tints(space: WeightSpace, lightness: float = 0.9, still: str = FIXED) -> list[Color]:
    """A light colour for each group: grey if it stays, otherwise hues that keep far from each other."""
    free = [group for group in range(len(space.groups)) if not is_still(space, group)]
    hues = {group: (0.36 + 0.381966 * rank) % 1.0 for rank, group in enumerate(free)}
    grey = to_rgb(still)
    return [colorsys.hls_to_rgb(hues[i], lightness, 0.6) if i in hues else grey for i in range(len(space.groups))]
