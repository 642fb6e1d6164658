"""The table of a data set, read when somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial

import pandas

from wsgraph.datasets.index import Index
from wsgraph.datasets.tables import concatenated, read_parquet


class Records:
    """The rows of all shards, one under the other.

    Args:
        index: The data set.
    """

    def __init__(self, index: Index) -> None:
        entries = index.shards.items()
        self._parts: Sequence[Callable[[], pandas.DataFrame]] = [
            partial(read_parquet, index.table_path(number), entry.rows) for number, entry in entries
        ]
        self._rows = sum(entry.rows for _, entry in entries)

    @classmethod
    def of_frame(cls, frame: pandas.DataFrame) -> Records:
        """Rows that are in memory already."""
        result = cls.__new__(cls)
        result._parts, result._rows = [lambda: frame], len(frame)
        return result

    @cached_property
    def frame(self) -> pandas.DataFrame:
        """All of them.

        Raises:
            WSGraphError: A file is missing or damaged.
        """
        return concatenated([read() for read in self._parts])

    def __len__(self) -> int:
        return self._rows
