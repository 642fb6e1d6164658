"""From a data set to a folder of state dicts."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import get_args

from wsgraph.datasets.dataset import WeightDataset
from wsgraph.datasets.metadata import FILE
from wsgraph.datasets.state_files import FileFormat, write_state
from wsgraph.datasets.storing import storing
from wsgraph.datasets.tables import to_parquet
from wsgraph.errors import WSGraphError
from wsgraph.files import write_bytes
from wsgraph.graph import to_state_dict

TABLE = "table.parquet"
"""The file beside the state dicts with their metadata."""


def export_states(
    dataset: WeightDataset, folder: str | os.PathLike[str], format: FileFormat = "safetensors"
) -> list[Path]:
    """Write every network as a file of its state dict, and the metadata as ``table.parquet``.

    What :func:`import_states` reads from there is the data set again. Every file is whole or not there, and the table
    comes last. The files have the names in the column ``file``, if there is one without repetitions, or numbers.

    Args:
        dataset: The networks; each file is of one of them.
        folder: Made if it is not there; files in it with the same names are replaced.
        format: ``"safetensors"`` or ``"pt"``.

    Returns:
        The files, in the order of the networks.

    Raises:
        WSGraphError: An unknown format, a name that leads out of the folder, or a full disk.
    """
    if format not in get_args(FileFormat):
        raise WSGraphError(f"Expected the format 'safetensors' or 'pt', got {format!r}.")
    folder = Path(folder)
    names = _names(dataset, format)
    with storing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for i, name in enumerate(names):
            write_state(folder / name, to_state_dict(dataset.get(i)), format)
        table = dataset.table.drop(columns=FILE, errors="ignore")
        table.insert(0, FILE, names)
        write_bytes(folder / TABLE, to_parquet(table))
    return [folder / name for name in names]


def _names(dataset: WeightDataset, file_format: FileFormat) -> list[str]:
    digits = len(str(max(len(dataset) - 1, 0)))
    numbers = [f"{i:0{digits}d}.{file_format}" for i in range(len(dataset))]
    if FILE not in dataset.table.columns:
        return numbers
    paths = [PurePosixPath(str(name)) for name in dataset.table[FILE]]
    outside = [path for path in paths if path.is_absolute() or ".." in path.parts or "\\" in str(path) or not path.name]
    if outside:
        raise WSGraphError(f"The name {str(outside[0])!r} in the column {FILE!r} leads out of the folder.")
    names = [f"{path.parent / path.stem}.{file_format}" for path in paths]
    return names if len(set(names)) == len(names) else numbers
