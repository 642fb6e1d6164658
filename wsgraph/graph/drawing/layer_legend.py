"""What the marks of a picture of layers stand for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from wsgraph.graph.drawing.layer_marks import GREY, PASSED, READ
from wsgraph.graph.drawing.legend import Legend, Sample, line_sample, tint_samples

if TYPE_CHECKING:
    from wsgraph.graph.drawing.layer_picture import LayerPicture


def layer_legend(picture: LayerPicture) -> Legend:
    """The legend of what occurs in a picture."""
    return Legend(_samples(picture), _notes(picture), picture.routes.bottom, picture.width)


def _samples(picture: LayerPicture) -> Iterator[tuple[Any, Sample]]:
    kinds = {weighted for sources in picture.layout.boxes.sources for weighted in sources.values()}
    yield line_sample(True in kinds, GREY, READ, "read through weights")
    yield line_sample(False in kinds, GREY, PASSED, "passed on as it is")
    yield from tint_samples(picture.space, picture.tints)


def _notes(picture: LayerPicture) -> Iterator[str]:
    boxes = picture.layout.boxes
    yield "In a box: the layer, what it computes, and the number of its units."
    symbols = {symbol.split("(")[0] for _, found, _, _ in picture.layout.labels for symbol in found.split()}
    words = {
        "±": "± signs",
        ">0": ">0 positive numbers",
        "≠0": "≠0 all numbers but 0",
        "GL": "GL(d) invertible matrices of that size",
        "O": "O(d) orthogonal matrices",
        "∠": "∠ turns of pairs of units",
    }
    if symbols & set(words):
        found = ", ".join(text for symbol, text in words.items() if symbol in symbols)
        yield f"Top right: what its units may be multiplied by: {found}."
    if any("×" in units for _, _, _, units in picture.layout.labels):
        yield "4 × 16 units: 4 pieces (attention heads, groups of a convolution) that move as wholes."
    if any(len({picture.tints[group] for group in boxes.groups(box)}) > 1 for box in range(len(boxes.boxes))):
        yield "Stripes: units of several groups."
