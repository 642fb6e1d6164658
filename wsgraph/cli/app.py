"""The application: its commands, and what all of them share."""

from __future__ import annotations

import importlib
import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from wsgraph.cli.compare import compare
from wsgraph.cli.data import data
from wsgraph.cli.draw import draw
from wsgraph.cli.inspect import inspect
from wsgraph.cli.train import train
from wsgraph.cli.verify import verify
from wsgraph.cli.zoo import zoo

app = typer.Typer(
    name="wsgraph",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (inspect, verify, draw, train, compare):
    app.command()(command)
app.add_typer(data, name="data")
app.add_typer(zoo, name="zoo")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(importlib.import_module("wsgraph").__version__)
        raise typer.Exit


@app.callback()
def commands(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Neural networks as data: neuron graphs, their symmetries, and networks over networks."""


def main() -> None:
    """Run the command line; what a stream cannot spell becomes a question mark, not an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    app()
