"""Metadata that others have written of networks: tables with a row for each file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath

import pandas

from wsgraph.datasets.tables import listed
from wsgraph.errors import WSGraphError

FILE = "file"
"""The column with the name of a network's file."""


def joined(table: str | os.PathLike[str] | pandas.DataFrame | None, files: Sequence[str]) -> pandas.DataFrame:
    """A row for each file, with its name in the column ``file`` and all that the table says of it.

    Args:
        table: A ``.csv`` or ``.parquet`` file, or a frame, with a column ``file``: names of files, with or without
            their endings. None for no metadata.
        files: Names relative to the folder that holds them.

    Raises:
        WSGraphError: There is no such table or column, or a file has no row or several.
    """
    if table is None:
        return pandas.DataFrame({FILE: list(files)})
    frame = table if isinstance(table, pandas.DataFrame) else _read(Path(table))
    if FILE not in frame.columns:
        raise WSGraphError(f"Expected a column {FILE!r} with the names of files in the table, found {listed(frame)}.")
    rows = frame.set_index(frame[FILE].astype(str)).drop(columns=FILE)
    keys = [name if name in rows.index else str(PurePosixPath(name).with_suffix("")) for name in files]
    missing = [name for name, key in zip(files, keys, strict=True) if key not in rows.index]
    twice = rows.index[rows.index.duplicated()].intersection(keys)
    if missing:
        raise WSGraphError(f"{len(missing)} files have no row in the table: {_few(missing)}. Add them to it.")
    if len(twice):
        raise WSGraphError(f"Expected one row for each file in the table, found several for {_few(list(twice))}.")
    found = rows.loc[keys].reset_index(drop=True)
    found.insert(0, FILE, list(files))
    return found


def frame_digest(frame: pandas.DataFrame) -> str:
    """The SHA-256 of the values of a frame and the names of its columns."""
    return hashlib.sha256(frame.to_csv(index=False).encode()).hexdigest()


def _read(path: Path) -> pandas.DataFrame:
    readers = {".csv": partial(pandas.read_csv, dtype={FILE: str}), ".parquet": pandas.read_parquet}
    if path.suffix not in readers:
        raise WSGraphError(f"Expected a table that ends in .csv or .parquet, got {str(path)!r}.")
    if not path.is_file():
        raise WSGraphError(f"There is no table {str(path)!r}.")
    try:
        return readers[path.suffix](path)
    except Exception as error:
        raise WSGraphError(f"The table {path} cannot be read: {error}") from error


def _few(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:3])) + (" ..." if len(names) > 3 else "")
