"""Whether the files of a data set are those that were written."""

from __future__ import annotations

from pathlib import Path

from wsgraph.datasets.index import Index
from wsgraph.datasets.store import Store
from wsgraph.datasets.tables import read_parquet
from wsgraph.errors import WSGraphError
from wsgraph.files import sha256


def check_files(index: Index) -> None:
    """Read every file of a data set once.

    Raises:
        WSGraphError: Files are missing, damaged, or not those of this data set; it names them.
    """
    found = []
    for shard, (number, entry) in zip(Store.of_folder(index).shards, index.shards.items(), strict=True):
        try:
            shard.tensors()
            shard.close()
            _compare(index.weights_path(number), entry.weights_sha256)
        except WSGraphError as error:
            found.append(str(error))
        try:
            read_parquet(index.table_path(number), entry.rows)
            _compare(index.table_path(number), entry.table_sha256)
        except WSGraphError as error:
            found.append(str(error))
    if found:
        more = f"\n... and {len(found) - 10} more" if len(found) > 10 else ""
        raise WSGraphError("\n".join(found[:10]) + more)


def _compare(path: Path, expected: str) -> None:
    if sha256(path) != expected:
        raise WSGraphError(f"{path} is damaged: its SHA-256 is not the one in the index. Write its shard again.")
