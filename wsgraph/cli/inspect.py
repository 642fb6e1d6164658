"""``wsgraph inspect``: what a trace finds in a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from torch import nn

from wsgraph.cli.console import CommandError, answers, explained, patience
from wsgraph.cli.facts import facts, verdict
from wsgraph.cli.inputs import describe_inputs, find_inputs
from wsgraph.cli.loading import load_model
from wsgraph.errors import WSGraphError
from wsgraph.graph import to_graph
from wsgraph.space import WeightSpace
from wsgraph.space.report import Report
from wsgraph.trace import trace, verify
from wsgraph.trace.export import place_of, reason_of

TOLERANCE = 1e-8
"""The largest change of the outputs that rounding in double precision explains."""

EXAMPLES = """
\b
Examples:
  wsgraph inspect torchvision.models:resnet18
  wsgraph inspect nets:make_model --checkpoint weights.pt --draw net.png
  wsgraph inspect nets:Transformer --input 2x16:int --json > facts.json

Exit codes: 0 all is well, 1 the verification failed, 2 the model or an option cannot be used.
"""


def inspect(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="package.module:factory, where the factory is a function without arguments that returns a module, "
            "a class, or a module. The current folder can be imported from.",
        ),
    ],
    checkpoint: Annotated[
        Path | None, typer.Option(help="Load this state dict first: .safetensors, or .pt / .pth with tensors alone.")
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            metavar="SHAPE",
            help="Shape of an input, one for each: 1x3x224x224; 2x16:int for token ids, mask=2x16:bool by name. "
            "Found by trying, if not given.",
        ),
    ] = None,
    verified: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Sample symmetries and see whether the outputs stay.")
    ] = True,
    full: Annotated[bool, typer.Option("--full", help="List every layer and group of a large network.")] = False,
    draw: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the network into a .png or .svg file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")] = False,
) -> None:
    """Trace a model: which units can be permuted and scaled without a change of its function, and what was pinned."""
    with explained():
        _check_picture(draw)
        found = _Findings(model, checkpoint, inputs or [])
        error = found.verify() if verified else None
        if draw is not None:
            found.draw(draw)
    if as_json:
        print(json.dumps(found.as_facts(error, draw)))
    else:
        found.say(error, draw, full)
    if error is not None and not error <= TOLERANCE:
        raise typer.Exit(1)


inspect.__doc__ = f"{inspect.__doc__}\n{EXAMPLES}"


class _Findings:
    """A model, the inputs it takes, and its weight space."""

    def __init__(self, name: str, checkpoint: Path | None, words: list[str]) -> None:
        self.name, self.checkpoint = name, checkpoint
        with patience(f"Making {name}"):
            self.model: nn.Module = load_model(name, checkpoint)
        with patience("Looking for an input"):
            self.inputs: Any = find_inputs(words, self.model)
        with patience(f"Tracing {name}"):
            self.space: WeightSpace = trace(self.model, self.inputs)

    def verify(self) -> float:
        """The largest change of the outputs under sampled symmetries."""
        with patience("Verifying"):
            try:
                return verify(self.model, self.space, example_inputs=self.inputs)
            except WSGraphError:
                raise
            except Exception as error:  # of the user's code, in double precision
                raise CommandError(
                    f"The verification runs a copy of the model in double precision, which failed{place_of(error)}: "
                    f"{reason_of(error)} Go without it: --no-verify."
                ) from error

    def draw(self, path: Path) -> None:
        """Draw the model into a file."""
        from wsgraph.graph.drawing import draw, shows_units

        with patience("Drawing"):
            try:
                draw(to_graph(self.model, self.space) if shows_units(self.space) else self.space, path)
            except OSError as error:
                raise CommandError(f"The picture could not be written: {error}") from error

    def as_facts(self, error: float | None, picture: Path | None) -> dict[str, Any]:
        """Everything, for JSON."""
        return {
            "model": self.name,
            "checkpoint": None if self.checkpoint is None else str(self.checkpoint),
            "inputs": describe_inputs(self.inputs),
            **facts(self.space),
            "verify": None if error is None else verdict(error, TOLERANCE),
            "picture": None if picture is None else str(picture),
        }

    def say(self, error: float | None, picture: Path | None, full: bool) -> None:
        """Everything, for people."""
        console = answers()
        weights = "" if self.checkpoint is None else f" with {self.checkpoint}"
        inputs = " ".join(f"--input {word}" for word in describe_inputs(self.inputs))
        console.print(f"{self.name}{weights}, traced with {inputs or 'no tensors as inputs'}", markup=False)
        console.print(Report(self.space, full))
        if error is not None:
            console.print(_verdict(self.space, error), markup=False)
        if picture is not None:
            console.print(f"Drawn: {picture}", markup=False)


def _verdict(space: WeightSpace, error: float) -> str:
    if not (space.moving_groups or space.scales or space.phases):
        return "Verified: there is no symmetry but the identity."
    if error <= TOLERANCE:
        return f"Verified: random symmetries change the outputs by {error:.1e} of their size, which is rounding."
    return (
        f"NOT VERIFIED: random symmetries change the outputs by {error:.1e} of their size, more than {TOLERANCE:.0e}. "
        "Either the model draws random numbers in evaluation, or a rule is wrong, which is a bug: please report it."
    )


def _check_picture(path: Path | None) -> None:
    """See before the long work whether the picture can be written."""
    if path is None:
        return
    if path.suffix.lower() not in (".png", ".svg"):
        raise CommandError(f"Expected --draw to name a .png or .svg file, got {str(path)!r}.")
    if not path.absolute().parent.is_dir():
        raise CommandError(f"There is no folder {str(path.parent)!r} for the picture.")
