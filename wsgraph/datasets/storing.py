"""Errors of the disk, in sentences."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wsgraph.errors import WSGraphError


@contextmanager
def storing(folder: Path, number: int | None = None) -> Iterator[None]:
    """Say in a sentence that the disk is full, or what else kept a file from being written."""
    try:
        yield
    except OSError as error:
        what = f"{folder} cannot be written to" if number is None else f"Shard {number} of {folder} cannot be written"
        why = "the disk is full. Free space" if error.errno == errno.ENOSPC else f"{error}. Mend that"
        raise WSGraphError(f"{what}: {why} and repeat the call; what was finished before is kept.") from error
