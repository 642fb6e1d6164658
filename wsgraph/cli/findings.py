"""A model that a command is about: loaded, traced, verified, drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from torch import nn

from wsgraph.cli.console import CommandError, patience
from wsgraph.cli.inputs import find_inputs
from wsgraph.cli.loading import load_model
from wsgraph.errors import WSGraphError
from wsgraph.graph import to_graph
from wsgraph.space import WeightSpace
from wsgraph.trace import trace, verify
from wsgraph.trace.export import place_of, reason_of

TOLERANCE = 1e-8
"""The largest change of the outputs that rounding in double precision explains."""

ModelName = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="package.module:factory, where the factory is a function without arguments that returns a module, "
        "a class, or a module. The current folder can be imported from.",
    ),
]
Checkpoint = Annotated[
    Path | None, typer.Option(help="Load this state dict first: .safetensors, or .pt / .pth with tensors alone.")
]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        metavar="SHAPE",
        help="Shape of an input, one for each: 1x3x224x224; 2x16:int for token ids, mask=2x16:bool by name. "
        "Found by trying, if not given.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")]


class Findings:
    """A model, the inputs it takes, and its weight space."""

    def __init__(self, name: str, checkpoint: Path | None, words: list[str]) -> None:
        self.name, self.checkpoint = name, checkpoint
        with patience(f"Making {name}"):
            self.model: nn.Module = load_model(name, checkpoint)
        with patience("Looking for an input"):
            self.inputs: Any = find_inputs(words, self.model)
        with patience(f"Tracing {name}"):
            self.space: WeightSpace = trace(self.model, self.inputs)

    def verify(self, **options: Any) -> float:
        """The largest change of the outputs under sampled symmetries; options are those of :func:`wsgraph.verify`."""
        with patience("Verifying"):
            try:
                return verify(self.model, self.space, example_inputs=self.inputs, **options)
            except WSGraphError:
                raise
            except Exception as error:  # of the user's code, in double precision
                raise CommandError(
                    f"The verification runs a copy of the model in double precision, which failed{place_of(error)}: "
                    f"{reason_of(error)} Go without it: --no-verify."
                ) from error

    def draw(self, path: Path, max_units: int = 32, level: str = "auto") -> None:
        """Draw the model into a file, as :meth:`wsgraph.NeuronGraph.draw` does."""
        from wsgraph.graph.drawing import draw, shows_units

        with patience("Drawing"):
            try:
                whole = level == "units" or (level == "auto" and shows_units(self.space))
                draw(to_graph(self.model, self.space) if whole else self.space, path, max_units, level)
            except OSError as error:
                raise CommandError(f"The picture could not be written: {error}") from error


def verdict_words(space: WeightSpace, error: float) -> str:
    """The result of a verification in a sentence."""
    linear = any(group.linear for group in space.groups)
    if not (space.moving_groups or space.scales or space.phases or space.shifts or linear):
        return "Verified: there is no symmetry but the identity."
    if error <= TOLERANCE:
        return f"Verified: random symmetries change the outputs by {error:.1e} of their size, which is rounding."
    return (
        f"NOT VERIFIED: random symmetries change the outputs by {error:.1e} of their size, more than {TOLERANCE:.0e}. "
        "Either the model draws random numbers in evaluation, or a rule is wrong, which is a bug: please report it."
    )


def check_picture(path: Path | None) -> None:
    """See before the long work whether the picture can be written."""
    if path is None:
        return
    if path.suffix.lower() not in (".png", ".svg"):
        raise CommandError(f"Expected --draw to name a .png or .svg file, got {str(path)!r}.")
    if not path.absolute().parent.is_dir():
        raise CommandError(f"There is no folder {str(path.parent)!r} for the picture.")
