"""``wsgraph draw``: the picture of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from wsgraph.cli.console import answers, explained
from wsgraph.cli.findings import Checkpoint, Findings, Inputs, ModelName, check_picture

EXAMPLES = """
\b
Examples:
  wsgraph draw torchvision.models:resnet18 resnet18.svg
  wsgraph draw nets:make_model net.png --level units --max-units 16

Exit codes: 0 the picture is written, 2 the model or an option cannot be used.
"""


def draw(
    model: ModelName,
    picture: Annotated[Path, typer.Argument(metavar="FILE", help="A .png or .svg file.")],
    checkpoint: Checkpoint = None,
    inputs: Inputs = None,
    level: Annotated[
        Literal["auto", "units", "layers"],
        typer.Option(help="A circle for each unit, or a box for each layer; by size, if not given."),
    ] = "auto",
    max_units: Annotated[int, typer.Option(min=2, help="Layers with more units are thinned to this many.")] = 32,
) -> None:
    """Draw the neuron graph of a model."""
    with explained():
        check_picture(picture)
        Findings(model, checkpoint, inputs or []).draw(picture, max_units=max_units, level=level)
    answers().print(f"Drawn: {picture}", markup=False)


draw.__doc__ = f"{draw.__doc__}\n{EXAMPLES}"
