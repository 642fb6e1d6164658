"""Units as circles, and the colours of numbers."""

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import CircleCollection
from matplotlib.colors import LinearSegmentedColormap

from wsgraph.graph.drawing.canvas import INK
from wsgraph.graph.drawing.unit_layout import Array

POSITIVE, NEGATIVE, OPERAND, NO_BIAS = "#0072b2", "#d55e00", "#767676", "#c9c9c9"
SIGNED = LinearSegmentedColormap.from_list("signed", [NEGATIVE, "#ffffff", POSITIVE])


def paint_units(axes: Axes, x: Array, y: Array, radius: float, faces: list[Any]) -> None:
    """Circles of one size."""
    options = {"facecolors": faces, "edgecolors": INK, "linewidths": 0.5, "zorder": 4}
    sizes = [math.pi * (72 * radius) ** 2]
    units = CircleCollection(sizes, offsets=np.stack([x, y], axis=1), offset_transform=axes.transData, **options)
    axes.add_collection(units, autolim=False)
