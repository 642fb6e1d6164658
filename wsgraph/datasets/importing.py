"""From a folder of state dicts to a data set."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas
import torch

from wsgraph.datasets.dataset import WeightDataset
from wsgraph.datasets.metadata import frame_digest, joined
from wsgraph.datasets.pile import Pile
from wsgraph.datasets.state_files import ENDINGS
from wsgraph.datasets.storing import storing
from wsgraph.datasets.writer import WeightWriter
from wsgraph.errors import WSGraphError
from wsgraph.files import write_bytes
from wsgraph.progress import patient_progress
from wsgraph.space import WeightSpace

SHARD_BYTES = 2**26
"""Of weights in a shard, and in memory at a time (once as networks, once as a matrix)."""

SKIPPED = "skipped.json"
"""The file in the data set that lists what was skipped, and why."""


class Imported(NamedTuple):
    """What :func:`import_states` gives.

    Attributes:
        dataset: The networks.
        skipped: What is wrong with each file that was left out, by its name.
    """

    dataset: WeightDataset
    skipped: dict[str, str]


def import_states(
    source: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    space: WeightSpace,
    *,
    table: str | os.PathLike[str] | pandas.DataFrame | None = None,
    skip_bad: bool = False,
) -> Imported:
    """Make a data set of a folder of state dicts. The same call, after an interruption at any moment, goes on there.

    Pickles are read with ``weights_only=True``: a file that holds anything but tensors, and so could run code, is bad.
    So is one that is damaged, or of another architecture or dtype.

    Args:
        source: A folder with ``.safetensors``, ``.pt`` and ``.pth`` files, also in folders in it, which become
            networks in the order of their names.
        folder: Where the data set goes. Its column ``file`` has the names.
        space: The weight space of all networks.
        table: Metadata: a ``.csv`` or ``.parquet`` file or a frame, with the names of the files (their endings may be
            left out) in a column ``file``.
        skip_bad: Whether to leave bad files out and list them, in the result and in ``skipped.json`` in the folder,
            where the first one is otherwise an error.

    Raises:
        WSGraphError: There are no files, or a bad one; the table does not fit; the folder has another data set in it.

    Example:
        >>> import tempfile, torch, wsgraph
        >>> from pathlib import Path
        >>> from wsgraph.datasets import import_states
        >>> source = Path(tempfile.mkdtemp())
        >>> models = [torch.nn.Linear(3, 2) for _ in range(5)]
        >>> for i, model in enumerate(models):
        ...     torch.save(model.state_dict(), source / f"{i}.pt")
        >>> dataset, skipped = import_states(source, source / "dataset", wsgraph.trace(models[0]))
        >>> dataset.table.file.tolist(), skipped
        (['0.pt', '1.pt', '2.pt', '3.pt', '4.pt'], {})
    """
    source, folder = Path(source), Path(folder)
    files = _state_files(source, folder)
    rows = joined(table, files)
    writer = WeightWriter(folder, settings=_settings(source, files, rows, space))
    skipped = _read_skipped(folder)
    size = max(1, SHARD_BYTES // (4 * space.num_weights + 8 * space.num_integers + 1))
    with patient_progress("Reading state dicts", len(rows)) as advance:
        for number, part in enumerate(_parts(rows, size)):
            if number not in writer.finished:
                pile = Pile(space, writer.dtype, source, skip_bad)
                kept = [pile.add(name) for name in part["file"]]
                if pile.bad:
                    skipped |= pile.bad
                    with storing(folder):
                        write_bytes(folder / SKIPPED, json.dumps(skipped, indent=1).encode())
                if pile.weights:
                    writer.write(number, space, torch.stack(pile.weights), part[kept], torch.stack(pile.integers))
            advance(len(part))
    return Imported(WeightDataset(folder), skipped)


def _state_files(source: Path, folder: Path) -> list[str]:
    """Names relative to the source, sorted; nothing hidden, and nothing of the data set itself."""
    if not source.is_dir():
        raise WSGraphError(f"Expected a folder of state dicts, but {str(source)!r} is none.")
    found = [path for path in source.rglob("*") if path.suffix in ENDINGS and path.is_file()]
    names = [
        path.relative_to(source).as_posix()
        for path in found
        if not any(part.startswith(".") for part in path.relative_to(source).parts)
        and folder.resolve() not in path.resolve().parents
    ]
    if not names:
        raise WSGraphError(f"There are no .safetensors, .pt or .pth files in {str(source)!r}.")
    return sorted(names)


def _settings(source: Path, files: Sequence[str], rows: pandas.DataFrame, space: WeightSpace) -> dict[str, str]:
    """What an interrupted import must find again."""
    sizes = [f"{name} {(source / name).stat().st_size}" for name in files]
    files_digest = hashlib.sha256("\n".join(sizes).encode()).hexdigest()
    return {"made_by": "import_states", "files": files_digest, "table": frame_digest(rows), "space": space.digest}


def _read_skipped(folder: Path) -> dict[str, str]:
    path = folder / SKIPPED
    return json.loads(path.read_bytes()) if path.is_file() else {}


def _parts(rows: pandas.DataFrame, size: int) -> Iterator[pandas.DataFrame]:
    for start in range(0, len(rows), size):
        yield rows.iloc[start : start + size]
