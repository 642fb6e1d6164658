"""``draw``: from a neuron graph or a weight space to a picture in a file."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import matplotlib

from wsgraph.errors import WSGraphError
from wsgraph.graph.drawing.canvas import Picture, render
from wsgraph.graph.drawing.layer_picture import LayerPicture
from wsgraph.graph.drawing.unit_picture import UnitPicture
from wsgraph.graph.neuron_graph import NeuronGraph
from wsgraph.space import WeightSpace

LEVELS = ("auto", "units", "layers")

MAX_LAYERS, MAX_UNITS = 32, 4000
"""Networks with more layers, or with more units in all, are drawn layer by layer unless the caller says otherwise."""


def draw(
    network: NeuronGraph | WeightSpace, path: str | os.PathLike[str], max_units: int = 32, level: str = "auto"
) -> None:
    """Draw a neuron graph, or a weight space without numbers, into a PNG or SVG file.

    ``"units"``: a column of boxes for each depth, a box for each layer, a circle for each unit, a line for each weight.
    ``"layers"``: a box for each layer, from the top down and then column after column; lines show what a layer reads.
    In both, boxes of one neuron group have one tint. The file is written at once or not at all, and drawing the same
    network again gives the same bytes.

    Args:
        network: One neuron graph; or a weight space, which is drawn layer by layer.
        path: Name of the file; its ending gives the format.
        max_units: At the level of units, layers with more are thinned to this many, and the picture says so.
        level: ``"units"``, ``"layers"``, or ``"auto"``: units for a graph of at most 32 layers and 4,000 units.

    Raises:
        WSGraphError: Another ending than these two, several graphs, a ``max_units`` below 1, an unknown level, or
            units of a weight space.

    Example:
        >>> import pathlib, tempfile, torch, wsgraph
        >>> from wsgraph.graph.drawing import draw
        >>> space = wsgraph.trace(torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1)))
        >>> file = pathlib.Path(tempfile.mkdtemp()) / "space.svg"
        >>> draw(space, file)
        >>> file.exists()
        True
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in (".png", ".svg"):
        raise WSGraphError(f"Expected a file name that ends in .png or .svg, got {path.name!r}.")
    if max_units < 1:
        raise WSGraphError(f"max_units must be at least 1, got {max_units}.")
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"svg.hashsalt": "wsgraph", "svg.fonttype": "none", "text.hinting": "no_hinting"})
        data = render(_picture(network, max_units, level), ending)
    _write(data, path)


def shows_units(space: WeightSpace) -> bool:
    """Whether graphs of a weight space are drawn unit by unit unless the caller says otherwise."""
    return len(space.layers) <= MAX_LAYERS and space.num_nodes <= MAX_UNITS


def _picture(network: NeuronGraph | WeightSpace, max_units: int, level: str) -> Picture:
    if level not in LEVELS:
        raise WSGraphError(f"Expected a level of {', '.join(map(repr, LEVELS))}, got {level!r}.")
    if isinstance(network, WeightSpace):
        if level == "units":
            raise WSGraphError("A weight space has no weights to draw: draw a graph, or choose level='layers'.")
        return LayerPicture(network)
    if len(network.spaces) != 1:
        raise WSGraphError(f"This is a batch of {len(network.spaces)} graphs; draw one of them: batch[0].draw(...).")
    by_layers = level == "layers" or (level == "auto" and not shows_units(network.spaces[0]))
    return LayerPicture(network.spaces[0]) if by_layers else UnitPicture(network, max_units)


def _write(data: bytes, path: Path) -> None:
    """Write a file at once or not at all."""
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
