"""``wsgraph verify``: sampled symmetries against the outputs of a model."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from wsgraph.cli.console import answers, explained
from wsgraph.cli.facts import verdict
from wsgraph.cli.findings import TOLERANCE, AsJson, Checkpoint, Findings, Inputs, ModelName, verdict_words

EXAMPLES = """
\b
Examples:
  wsgraph verify torchvision.models:resnet18
  wsgraph verify nets:make_model --checkpoint weights.pt --samples 10 --max-scale 100

Exit codes: 0 the outputs stay, 1 they change, 2 the model or an option cannot be used.
"""


def verify(
    model: ModelName,
    checkpoint: Checkpoint = None,
    inputs: Inputs = None,
    samples: Annotated[int, typer.Option(min=1, help="Number of symmetries to try.")] = 3,
    max_scale: Annotated[float, typer.Option(min=1.0, help="Multipliers lie between its reciprocal and this.")] = 10.0,
    as_json: AsJson = False,
) -> None:
    """Move a model by random symmetries, and see whether its outputs stay."""
    with explained():
        found = Findings(model, checkpoint, inputs or [])
        error = found.verify(num_samples=samples, max_scale=max_scale)
    if as_json:
        print(json.dumps({"model": model, **verdict(error, TOLERANCE)}))
    else:
        answers().print(verdict_words(found.space, error), markup=False)
    if not error <= TOLERANCE:
        raise typer.Exit(1)


verify.__doc__ = f"{verify.__doc__}\n{EXAMPLES}"
