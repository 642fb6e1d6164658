"""What a data set holds, as plain values for JSON and as tables for people."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas
from rich.table import Table

from wsgraph.datasets import WeightDataset


def facts(dataset: WeightDataset) -> dict[str, Any]:
    """Sizes, weight spaces, settings and columns."""
    numbers = dataset.space_index.bincount(minlength=len(dataset.spaces)).tolist()
    return {
        "folder": str(dataset.folder),
        "networks": len(dataset),
        "bytes": sum(path.stat().st_size for path in dataset.folder.glob("*/*") if path.is_file()),
        "spaces": [
            {"digest": space.digest, "description": repr(space), "weights": space.num_weights, "networks": count}
            for space, count in zip(dataset.spaces, numbers, strict=True)
        ],
        "settings": dataset.settings,
        "columns": [_column(dataset.table[name]) for name in dataset.table.columns],
    }


def tables(found: dict[str, Any]) -> list[str | Table]:
    """The same, to print."""
    spaces = Table("weight space", "weights", "networks")
    for space in found["spaces"]:
        spaces.add_row(space["description"], f"{space['weights']:,}", f"{space['networks']:,}")
    columns = Table("column", "kind", "missing", "different", "from", "to")
    for column in found["columns"]:
        columns.add_row(*(f"{value:,}" if isinstance(value, int) else _text(value) for value in column.values()))
    settings = Table("setting", "value")
    for name, value in found["settings"].items():
        settings.add_row(name, json.dumps(value))
    head = f"{found['folder']}: {found['networks']:,} networks, {found['bytes'] / 2**20:,.1f} MiB"
    filled = [table for table in (spaces, columns, settings) if table.row_count]
    return [head, *filled]


def _column(values: pandas.Series) -> dict[str, Any]:
    present = values.dropna()
    numbers = present.to_numpy(float) if pandas.api.types.is_numeric_dtype(values.dtype) else np.empty(0)
    numbers = numbers[np.isfinite(numbers)]
    return {
        "name": str(values.name),
        "kind": str(values.dtype),
        "missing": int(values.isna().sum()),
        "different": int(present.nunique()),
        "from": float(numbers.min()) if len(numbers) else None,
        "to": float(numbers.max()) if len(numbers) else None,
    }


def _text(value: Any) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
