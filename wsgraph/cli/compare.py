"""``wsgraph compare``: several families on one task."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from wsgraph.cli.console import answers, explained, patience
from wsgraph.cli.findings import AsJson
from wsgraph.cli.training import BatchSize, By, Data, Edit, Epochs, Out, Seconds, Targets, TaskName, Where, opened

EXAMPLES = """
\b
Examples:
  wsgraph compare classify --data inrs/ --by image_index --seeds 3
  wsgraph compare edit --data inrs/ --model dualflow --model flat --edit dilate --out edited/

Exit codes: 0 all is well, 2 the data set or an option cannot be used.
"""


def compare(
    task: TaskName,
    data: Data,
    models: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="FAMILY", help="A family, once for each; all of them if not given."),
    ] = None,
    target: Targets = None,
    edit: Edit = "dilate",
    where: Where = None,
    by: By = None,
    epochs: Epochs = 20,
    seconds: Seconds = None,
    batch_size: BatchSize = 64,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds.")] = 3,
    out: Out = Path("comparison"),
    as_json: AsJson = False,
) -> None:
    """Train several families with several seeds on the same networks: a table with spreads, a picture, files.

    Run again after an interruption, it goes on.
    """
    with explained():
        with patience(f"Reading {data}"):
            networks = opened(data, where)
        from wsgraph.tasks import FAMILIES, TaskMaker, compare as compare_families

        found = compare_families(
            TaskMaker(task, tuple(target or ()), edit),
            networks,
            out,
            models or list(FAMILIES),
            seeds=range(seeds),
            epochs=epochs,
            seconds=seconds,
            batch_size=batch_size,
            by=by,
            progress=not as_json,
        )
    if as_json:
        print(json.dumps(asdict(found)))
        return
    head, *rows = found.table()
    table = Table(*head, title=f"{task}: {len(networks):,} networks, {seeds} seeds")
    for row in rows:
        table.add_row(*row)
    answers().print(table)
    answers().print(f"Written: {out}/comparison.md, .csv, .json, .png", markup=False)


compare.__doc__ = f"{compare.__doc__}\n{EXAMPLES}"
