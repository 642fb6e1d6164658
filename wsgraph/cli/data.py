"""``wsgraph data``: data sets of trained networks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape

from wsgraph.cli.console import answers, explained, patience
from wsgraph.cli.inputs import find_inputs
from wsgraph.cli.loading import load_model
from wsgraph.errors import WSGraphError
from wsgraph.trace import trace

if TYPE_CHECKING:
    from wsgraph.datasets import WeightDataset

EXAMPLES = """
\b
Examples:
  wsgraph data import runs/ zoo/ --factory nets:make_model --table runs.csv
  wsgraph data info zoo/
  wsgraph data check zoo/
  wsgraph data export zoo/ good/ --where "test_accuracy > 0.4" --format pt

Exit codes: 0 all is well, 1 a file of the data set is damaged, 2 something cannot be used.
"""

data = typer.Typer(
    help=f"Data sets of trained networks: make them, look at them, check them, take them apart.\n{EXAMPLES}",
    no_args_is_help=True,
)

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder of the data set.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")]


@data.command(epilog="Example: wsgraph data info zoo/")
def info(folder: Folder, as_json: AsJson = False) -> None:
    """Tell what is in a data set: networks, weight spaces, settings, and the columns of its table."""
    from wsgraph.cli.data_facts import facts, tables

    with explained(), patience(f"Reading {folder}"):
        found = facts(_opened(folder))
    if as_json:
        print(json.dumps(found))
        return
    for part in tables(found):
        answers().print(part)


@data.command(epilog="Example: wsgraph data check zoo/")
def check(folder: Folder, as_json: AsJson = False) -> None:
    """Compare every file of a data set with its checksum. The exit code is 1 if one is damaged or missing."""
    with explained():
        dataset = _opened(folder)
    problems: list[str] = []
    try:
        with patience(f"Checking {folder}"):
            dataset.check()
    except WSGraphError as error:
        problems = str(error).splitlines()
    if as_json:
        found = {"folder": str(folder), "networks": len(dataset), "passed": not problems, "problems": problems}
        print(json.dumps(found))
    elif problems:
        _complain(problems)
    else:
        answers().print(f"{dataset!r}: every file is as it was written.", markup=False)
    if problems:
        raise typer.Exit(1)


@data.command(name="import", epilog="Example: wsgraph data import runs/ zoo/ --factory nets:make_model")
def import_(
    source: Annotated[Path, typer.Argument(help="A folder of .safetensors, .pt and .pth files, one state dict each.")],
    folder: Folder,
    factory: Annotated[
        str,
        typer.Option(
            metavar="MODEL", help="package.module:factory, as in wsgraph inspect: what makes a network of this kind."
        ),
    ],
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", metavar="SHAPE", help="Shape of an input of the network, as in wsgraph inspect."),
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help='Metadata: a .csv or .parquet file with file names in a column "file".')
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out and list files that are damaged or of another architecture.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a data set of a folder of state dicts. Where it was interrupted, the same command goes on."""
    from wsgraph.datasets import import_states

    with explained():
        with patience(f"Tracing {factory}"):
            model = load_model(factory)
            space = trace(model, find_inputs(inputs or [], model))
        with patience(f"Importing {source}"):
            dataset, skipped = import_states(source, folder, space, table=table, skip_bad=skip_bad)
    if as_json:
        print(json.dumps({"folder": str(folder), "networks": len(dataset), "skipped": skipped}))
    else:
        answers().print(repr(dataset), markup=False)
        if skipped:
            _complain([f"Skipped: {len(skipped)}", *skipped.values()])


@data.command(epilog="Example: wsgraph data export zoo/ good/ --where 'test_accuracy > 0.4' --format pt")
def export(
    folder: Folder,
    target: Annotated[Path, typer.Argument(help="Where the state dicts go, with a table.parquet.")],
    file_format: Annotated[
        Literal["safetensors", "pt"], typer.Option("--format", help="Of the files.")
    ] = "safetensors",
    where: Annotated[
        str | None, typer.Option(metavar="CONDITION", help='Only networks whose metadata meet it: "epoch == 50".')
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the networks of a data set as one file of a state dict each."""
    from wsgraph.datasets import export_states

    with explained():
        dataset = _opened(folder)
        dataset = dataset if where is None else dataset.where(where)
        with patience(f"Exporting {len(dataset):,} networks"):
            files = export_states(dataset, target, file_format)
    if as_json:
        print(json.dumps({"folder": str(target), "networks": len(files), "format": file_format}))
    else:
        answers().print(f"{len(files):,} networks as .{file_format} files in {target}", markup=False)


def _opened(folder: Path) -> WeightDataset:
    from wsgraph.datasets import WeightDataset

    return WeightDataset(folder)


def _complain(lines: list[str]) -> None:
    Console(stderr=True, highlight=False).print(escape("\n".join(lines)), soft_wrap=True)
