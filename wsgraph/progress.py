"""A progress bar that stays away from work that is soon done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

PATIENCE = 2.0  # seconds of foreseen work, below which no bar appears
TRIAL = 0.5  # seconds of work from which the rest is foreseen


@contextmanager
def patient_progress(label: str, total: int, *, enabled: bool = True) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error as soon as the work is foreseen to take more than two seconds.

    Args:
        label: Said beside the bar.
        total: Amount of work, in any unit.
        enabled: Whether there may be a bar at all.

    Yields:
        A function, for any thread, that takes the amount of work just done.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), disable=not enabled)
    task = bar.add_task(label, total=total)
    began = time.monotonic()
    lock = Lock()
    done = 0

    def advance(amount: int) -> None:
        nonlocal done
        with lock:
            done += amount
            elapsed = time.monotonic() - began
            if not bar.live.is_started and elapsed > TRIAL and elapsed * total > PATIENCE * done:
                bar.start()
            bar.update(task, completed=done)

    try:
        yield advance
    finally:
        if bar.live.is_started:
            bar.stop()
