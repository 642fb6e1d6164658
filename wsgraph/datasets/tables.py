"""The metadata of networks: one row a network, in Parquet files."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas
import pyarrow
import torch
from torch import Tensor

from wsgraph.errors import WSGraphError

Table: TypeAlias = Mapping[str, Sequence[Any] | Tensor | np.ndarray] | pandas.DataFrame
"""Columns of values by name."""


def as_frame(table: Table, rows: int) -> pandas.DataFrame:
    """Metadata of any accepted form as a frame of this many rows, with an index 0, 1, 2, ...

    Raises:
        WSGraphError: A column has another length or several axes, or a name is no text or comes twice.
    """
    if isinstance(table, pandas.DataFrame):
        table = {name: table.iloc[:, i].array for i, name in enumerate(_checked_names(list(table.columns)))}
    columns = {name: _column(name, values, rows) for name, values in table.items()}
    _checked_names(list(columns))
    return pandas.DataFrame(columns, index=pandas.RangeIndex(rows))


def to_parquet(frame: pandas.DataFrame) -> bytes:
    """The frame as the content of a Parquet file.

    Raises:
        WSGraphError: A column holds values of several kinds.
    """
    buffer = io.BytesIO()
    try:
        frame.to_parquet(buffer)
    except (pyarrow.ArrowException, ValueError, TypeError) as error:
        raise WSGraphError(f"The table cannot be stored; expected values of one kind in a column: {error}") from error
    return buffer.getvalue()


def read_parquet(path: Path, rows: int) -> pandas.DataFrame:
    """The table of a shard.

    Raises:
        WSGraphError: The file is missing or damaged, or has another number of rows.
    """
    if not path.is_file():
        raise WSGraphError(f"The file {path} is missing; restore it, or write its shard again.")
    try:
        frame = pandas.read_parquet(path)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise WSGraphError(f"{path} is damaged: {error} Restore it, or write its shard again.") from error
    if frame.columns.empty:
        return pandas.DataFrame(index=pandas.RangeIndex(rows))
    if len(frame) != rows:
        raise WSGraphError(f"Expected {rows} rows in {path}, one for each network, found {len(frame)}.")
    return frame


def concatenated(frames: Sequence[pandas.DataFrame]) -> pandas.DataFrame:
    """One frame under the other; where a frame lacks a column its values are missing."""
    filled = [frame for frame in frames if len(frame)]
    return pandas.concat(filled, ignore_index=True) if filled else pandas.DataFrame(index=pandas.RangeIndex(0))


def as_tensor(frame: pandas.DataFrame, name: str) -> Tensor:
    """A numeric column ``[n]``: float32 for floating numbers, int64 for integers and booleans.

    Raises:
        WSGraphError: There is no such column, or it is no numbers.
    """
    if name not in frame.columns:
        raise WSGraphError(f"There is no column {name!r}; the columns are {listed(frame)}.")
    values = frame[name]
    if pandas.api.types.is_float_dtype(values.dtype):
        return torch.tensor(values.to_numpy(np.float32, na_value=np.nan))
    if values.dtype != bool and not pandas.api.types.is_integer_dtype(values.dtype):
        numeric = frame.select_dtypes(["number", "bool"])
        raise WSGraphError(
            f"Expected a column of numbers, but {name!r} is {values.dtype}; the numeric columns are {listed(numeric)}."
        )
    if values.hasnans:
        raise WSGraphError(f"The column {name!r} of integers has missing values: select with where(), or store floats.")
    return torch.tensor(values.to_numpy(np.int64))


def listed(frame: pandas.DataFrame) -> str:
    """The names of the columns, for people."""
    return ", ".join(map(repr, frame.columns)) or "none"


def _column(name: str, values: Any, rows: int) -> Any:
    if isinstance(values, Tensor):
        values = values.detach().cpu().numpy()
    dim = np.ndim(values) if isinstance(values, np.ndarray) else 1
    if isinstance(values, str) or dim != 1 or len(values) != rows:
        shape = list(values.shape) if isinstance(values, np.ndarray) else f"length {len(values)}"
        raise WSGraphError(f"Expected {rows} values in column {name!r}, one for each network, got {shape}.")
    return values


def _checked_names(names: list[Any]) -> list[str]:
    wrong = [name for name in names if not isinstance(name, str) or names.count(name) > 1]
    if wrong:
        raise WSGraphError(f"Expected names of columns that are text and differ, got {wrong[0]!r}.")
    return names
