"""Where commands write: answers to standard output, everything else to standard error."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

import typer
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner

from wsgraph.errors import WSGraphError

UNUSABLE = 2
"""Exit code of a command that cannot do what it is asked to."""

PATIENCE = 2.0
"""Seconds before a spinner appears."""

WIDE = 10_000

INPUT_HINT = " On the command line: --input 1x3x224x224, or --input 2x16:int for token ids."


class CommandError(WSGraphError):
    """What a command was given cannot be used; the text says what was expected, what came, and what to do."""


def answers() -> Console:
    """Standard output: as wide as the terminal, or as wide as the tables need where it is a file or a pipe."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDE)


@contextmanager
def explained() -> Iterator[None]:
    """Say an error of the package in a sentence on standard error, without a traceback, and exit."""
    try:
        yield
    except WSGraphError as error:
        hint = INPUT_HINT if "example_inputs" in str(error) else ""
        Console(stderr=True, highlight=False).print(f"[bold red]Error:[/] {escape(str(error) + hint)}", soft_wrap=True)
        raise typer.Exit(UNUSABLE) from error


@contextmanager
def patience(text: str) -> Iterator[None]:
    """A spinner on standard error, if it is a terminal, while something takes more than two seconds.

    What is printed in the meantime (by the code of the user's model) goes to standard error, too.
    """
    console = Console(stderr=True)
    options = {"refresh_per_second": 8, "transient": True, "redirect_stdout": False, "redirect_stderr": False}
    live = Live(Spinner("dots", text=f"{escape(text)} …"), console=console, **options)  # type: ignore[arg-type]
    timer = threading.Timer(PATIENCE, live.start)
    timer.daemon = True
    with redirect_stdout(sys.stderr):
        if console.is_terminal:
            timer.start()
        try:
            yield
        finally:
            timer.cancel()
            if timer.ident is not None:
                timer.join()
            live.stop()
