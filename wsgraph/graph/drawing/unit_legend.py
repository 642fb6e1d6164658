"""What the marks of a picture of units stand for."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes

from wsgraph.graph.drawing.canvas import INK, INPUT, count
from wsgraph.graph.drawing.legend import Legend, Sample, line_sample, tint_samples
from wsgraph.graph.drawing.unit_marks import NEGATIVE, NO_BIAS, OPERAND, POSITIVE, SIGNED, paint_units

if TYPE_CHECKING:
    from wsgraph.graph.drawing.unit_picture import UnitPicture


def unit_legend(picture: UnitPicture) -> Legend:
    """The legend of what occurs in a picture."""
    return Legend(_samples(picture), _notes(picture), picture.layout.height, picture.layout.width)


def _samples(picture: UnitPicture) -> Iterator[tuple[Any, Sample]]:
    roles, layout = picture.roles, picture.layout
    faces = [face for faces in picture.faces for face in faces if isinstance(face, str)]
    thinned = any(card.gap is not None for card in layout.cards.values())
    signs = list(SIGNED([0.0, 0.5, 1.0]))
    yield line_sample(roles["weight"], POSITIVE, 1.6, "positive weight")
    yield line_sample(roles["weight"], NEGATIVE, 1.6, "negative weight")
    yield line_sample(roles["operand"], OPERAND, 0.8, "operand (a value passed on)")
    yield thinned, (0.2, _paint_dots, "thinned: units left out")
    yield roles["bias"] or roles["shift"], (0.42, partial(_paint_row, faces=signs), "unit, coloured by its bias")
    yield NO_BIAS in faces, (0.2, partial(_paint_row, faces=[NO_BIAS]), "unit without bias")
    yield INPUT in faces, (0.2, partial(_paint_row, faces=[INPUT]), "input")
    yield from tint_samples(picture.space, picture.tints)


def _notes(picture: UnitPicture) -> Iterator[str]:
    space = picture.space
    weights = [c for c in space.connections if c.role == "weight"]
    if weights:
        yield "Width and opacity of a weight: its magnitude, relative to the largest one drawn of its connection."
    if any(space.blocks[c.block or 0].kernel_size > 1 for c in weights):
        yield "Kernels: their norm, with the sign of their sum."
    if picture.num_cut:
        where = count(picture.num_cut, "connection")
        yield f"In {where} only the strongest {picture.max_edges:,} weights are drawn."
    if not picture.numbers.finite:
        yield "Weights that are not finite (NaN or infinite) are left out."


def _paint_row(axes: Axes, x: float, y: float, faces: list[Any]) -> None:
    row = x + 0.05 + 0.11 * np.arange(len(faces))
    paint_units(axes, row, np.full(len(row), y), 0.05, faces)


def _paint_dots(axes: Axes, x: float, y: float) -> None:
    paint_units(axes, np.full(3, x + 0.05), y + np.array([-0.05, 0, 0.05]), 0.015, [INK] * 3)
