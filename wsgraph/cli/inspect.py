"""``wsgraph inspect``: what a trace finds in a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from wsgraph.cli.console import answers, explained
from wsgraph.cli.facts import facts, verdict
from wsgraph.cli.findings import (
    TOLERANCE,
    AsJson,
    Checkpoint,
    Findings,
    Inputs,
    ModelName,
    check_picture,
    verdict_words,
)
from wsgraph.cli.inputs import describe_inputs
from wsgraph.space.report import Report

EXAMPLES = """
\b
Examples:
  wsgraph inspect torchvision.models:resnet18
  wsgraph inspect nets:make_model --checkpoint weights.pt --draw net.png
  wsgraph inspect nets:Transformer --input 2x16:int --json > facts.json

Exit codes: 0 all is well, 1 the verification failed, 2 the model or an option cannot be used.
"""


def inspect(
    model: ModelName,
    checkpoint: Checkpoint = None,
    inputs: Inputs = None,
    verified: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Sample symmetries and see whether the outputs stay.")
    ] = True,
    full: Annotated[bool, typer.Option("--full", help="List every layer and group of a large network.")] = False,
    draw: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the network into a .png or .svg file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Trace a model: which units can be permuted and scaled without a change of its function, and what was pinned."""
    with explained():
        check_picture(draw)
        found = Findings(model, checkpoint, inputs or [])
        error = found.verify() if verified else None
        if draw is not None:
            found.draw(draw)
    if as_json:
        print(json.dumps(_facts(found, error, draw)))
    else:
        _say(found, error, draw, full)
    if error is not None and not error <= TOLERANCE:
        raise typer.Exit(1)


inspect.__doc__ = f"{inspect.__doc__}\n{EXAMPLES}"


def _facts(found: Findings, error: float | None, picture: Path | None) -> dict[str, Any]:
    """Everything, for JSON."""
    return {
        "model": found.name,
        "checkpoint": None if found.checkpoint is None else str(found.checkpoint),
        "inputs": describe_inputs(found.inputs),
        **facts(found.space),
        "verify": None if error is None else verdict(error, TOLERANCE),
        "picture": None if picture is None else str(picture),
    }


def _say(found: Findings, error: float | None, picture: Path | None, full: bool) -> None:
    """Everything, for people."""
    console = answers()
    weights = "" if found.checkpoint is None else f" with {found.checkpoint}"
    inputs = " ".join(f"--input {word}" for word in describe_inputs(found.inputs))
    console.print(f"{found.name}{weights}, traced with {inputs or 'no tensors as inputs'}", markup=False)
    console.print(Report(found.space, full))
    if error is not None:
        console.print(verdict_words(found.space, error), markup=False)
    if picture is not None:
        console.print(f"Drawn: {picture}", markup=False)
