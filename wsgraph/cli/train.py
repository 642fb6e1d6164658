"""``wsgraph train``: a network over networks for one task."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from wsgraph.cli.console import answers, explained, patience
from wsgraph.cli.findings import AsJson
from wsgraph.cli.training import BatchSize, By, Data, Edit, Epochs, Out, Targets, TaskName, Where, opened

EXAMPLES = """
\b
Examples:
  wsgraph train classify --data inrs/ --model dualflow --by image_index
  wsgraph train generalization --data zoo/ --model monomial --where "finite" --by network
  wsgraph train edit --edit contrast --data inrs/ --model scalegmn --epochs 50

Exit codes: 0 all is well, 2 the data set or an option cannot be used.
"""


def train(
    task: TaskName,
    data: Data,
    model: Annotated[
        str, typer.Option("--model", metavar="FAMILY", help="dualflow, scalegmn, monomial, flat, ... (see the README).")
    ] = "dualflow",
    target: Targets = None,
    edit: Edit = "dilate",
    where: Where = None,
    by: By = None,
    epochs: Epochs = 20,
    batch_size: BatchSize = 64,
    lr: Annotated[float | None, typer.Option(help="The largest learning rate.")] = None,
    hidden_channels: Annotated[int | None, typer.Option(min=1, help="Width of the model.")] = None,
    num_layers: Annotated[int | None, typer.Option(min=1, help="Depth of the model.")] = None,
    patience_: Annotated[
        int | None, typer.Option("--patience", min=1, help="Stop after so many epochs without a better one.")
    ] = None,
    devices: Annotated[int, typer.Option(min=1, help="Processes, each with a device of its own.")] = 1,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    out: Out = Path("run"),
    as_json: AsJson = False,
) -> None:
    """Train a network over networks, keep its best epoch, and measure it on held-out networks.

    Run again after an interruption, it goes on.
    """
    with explained():
        with patience(f"Reading {data}"):
            networks = opened(data, where)
        from lightning import seed_everything

        from wsgraph.tasks import TaskMaker, WeightData, fit

        seed_everything(seed, verbose=False)
        options = {"lr": lr, "hidden_channels": hidden_channels, "num_layers": num_layers}
        made = TaskMaker(task, tuple(target or ()), edit)(networks, model, **options)
        parts = WeightData(
            networks, batch_size, by=by, columns=made.columns, categories=made.categories, seed=seed, order=seed
        )
        found = fit(made, parts, out, epochs=epochs, patience=patience_, devices=devices, progress=not as_json)
    if os.environ.get("LOCAL_RANK", "0") != "0":  # of several processes, one tells
        return
    if as_json:
        print(json.dumps({"scores": found.scores, "epochs": found.epochs, "checkpoint": str(found.checkpoint)}))
        return
    console = answers()
    for name, value in found.scores.items():
        console.print(f"{name}: {value:.4f}", markup=False)
    console.print(f"The best of {found.epochs} epochs: {found.checkpoint}", markup=False)


train.__doc__ = f"{train.__doc__}\n{EXAMPLES}"
