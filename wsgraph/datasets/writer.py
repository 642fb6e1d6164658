"""Writes a data set shard by shard, so that it may be killed at any moment and go on later."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wsgraph.datasets.index import DTYPES, INDEX, SPACES, Entry, Index
from wsgraph.datasets.storing import storing
from wsgraph.datasets.tables import Table, as_frame, to_parquet
from wsgraph.errors import WSGraphError
from wsgraph.files import sha256, write_bytes, write_tensors
from wsgraph.space import WeightSpace


class WeightWriter:
    """Begins a data set, or goes on with one. One writer at a time.

    A shard is there when the index names it, which is the last thing that is written of it: a process that dies leaves
    the finished shards, and at most files that the next one overwrites.

    Args:
        folder: Made if it is not there.
        settings: Everything that the networks depend on, as far as JSON can say it. Whoever goes on with a data set
            must give the same again.

    Attributes:
        folder: The data set.
        finished: The numbers of the shards that are there.

    Raises:
        WSGraphError: The folder is a file, belongs to other settings, or cannot be written to.

    Example:
        >>> import tempfile, torch, wsgraph
        >>> from wsgraph.datasets import WeightDataset, WeightWriter
        >>> space = wsgraph.trace(torch.nn.Linear(3, 2))
        >>> folder = tempfile.mkdtemp()
        >>> writer = WeightWriter(folder, settings={"seed": 0})
        >>> writer.write(0, space, torch.randn(5, 8), {"accuracy": [0.1, 0.2, 0.3, 0.4, 0.5]})
        >>> writer.finished, len(WeightDataset(folder))
        ({0}, 5)
    """

    def __init__(self, folder: str | os.PathLike[str], *, settings: Mapping[str, Any] | None = None) -> None:
        self.folder = Path(folder)
        wanted = _as_json(settings or {})
        with storing(self.folder):
            self._index = self._begin(wanted)
        different = sorted(k for k in wanted.keys() | self._index.settings if not self._same(k, wanted))
        if different:
            raise WSGraphError(
                f"The data set {self.folder} was begun with other settings: {', '.join(different)} "
                f"({_few(self._index.settings, different)} there, {_few(wanted, different)} here). Repeat the call "
                "that began it, choose another folder, or delete this one to start again."
            )

    @property
    def finished(self) -> set[int]:
        """The numbers of the shards that are there."""
        return set(self._index.shards)

    @property
    def dtype(self) -> torch.dtype | None:
        """Of all weights in the data set; None if there are none yet."""
        entry = next(iter(self._index.shards.values()), None)
        return None if entry is None else getattr(torch, entry.dtype)

    def write(
        self,
        number: int,
        space: WeightSpace,
        weights: Tensor,
        table: Table,
        integers: Tensor | None = None,
    ) -> None:
        """Write a shard, whole or not at all; one of this number that is there is replaced.

        Args:
            number: Of the shard; a data set is read in the order of the numbers.
            space: The weight space of all networks of the shard.
            weights: ``[n, P]``, floating, of the dtype of the other shards.
            table: Metadata: columns of n values by name.
            integers: ``[n, Q]``; zeros if not given.

        Raises:
            WSGraphError: Something has another shape or dtype than it must have, or the disk is full.
        """
        self._check(number, space, weights)
        shape = (len(weights), space.num_integers)
        integers = torch.zeros(shape, dtype=torch.long) if integers is None else integers
        if integers.shape != shape or integers.dtype != torch.long:
            raise WSGraphError(
                f"Expected integers {list(shape)} of torch.int64 for shard {number}, got {list(integers.shape)} of "
                f"{integers.dtype}."
            )
        content = to_parquet(as_frame(table, len(weights)))
        with storing(self.folder, number):
            self._store(number, space, weights, integers, content)

    def _store(self, number: int, space: WeightSpace, weights: Tensor, integers: Tensor, table: bytes) -> None:
        index = self._index
        if index.shards.pop(number, None) is not None:
            index.save()
        space_number = index.space_number(space)
        paths = index.weights_path(number), index.table_path(number)
        write_tensors(paths[0], {"weights": weights.detach(), "integers": integers}, {})
        write_bytes(paths[1], table)
        digests = sha256(paths[0]), sha256(paths[1])
        index.shards[number] = Entry(space_number, len(weights), _dtype_name(weights), *digests)
        try:
            index.save()
        except OSError:
            del index.shards[number]
            raise

    def _begin(self, settings: dict[str, Any]) -> Index:
        if self.folder.exists() and not self.folder.is_dir():
            raise WSGraphError(f"Expected a folder for the data set, but {self.folder} is a file; choose another path.")
        for place in ("", SPACES, "weights", "table"):
            for leftover in (self.folder / place).glob(".*.partial"):
                leftover.unlink()
        if (self.folder / INDEX).exists():
            return Index.load(self.folder)
        index = Index(self.folder, settings)
        index.save()
        return index

    def _same(self, key: str, wanted: dict[str, Any]) -> bool:
        there = self._index.settings
        return key in there and key in wanted and there[key] == wanted[key]

    def _check(self, number: int, space: WeightSpace, weights: Tensor) -> None:
        if number < 0:
            raise WSGraphError(f"Expected the number of a shard to be at least 0, got {number}.")
        if weights.dim() != 2 or weights.shape[1] != space.num_weights or len(weights) == 0:
            raise WSGraphError(
                f"Expected weights [n, {space.num_weights}] of at least one network for shard {number} of {space!r}, "
                f"got {list(weights.shape)}."
            )
        if _dtype_name(weights) not in DTYPES:
            raise WSGraphError(f"Expected weights of a floating dtype for shard {number}, got {weights.dtype}.")
        if self.dtype not in (None, weights.dtype):
            raise WSGraphError(
                f"Expected weights of {self.dtype}, as in the other shards of {self.folder}, got {weights.dtype} for "
                f"shard {number}; convert them."
            )


def _dtype_name(tensor: Tensor) -> str:
    """``"float32"`` for ``torch.float32``."""
    return str(tensor.dtype).removeprefix("torch.")


def _as_json(settings: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return json.loads(json.dumps(dict(settings)))
    except (TypeError, ValueError) as error:
        raise WSGraphError(f"Expected settings that JSON can hold: {error}.") from error


def _few(settings: Mapping[str, Any], keys: Sequence[str]) -> str:
    text = ", ".join(f"{key}={settings[key]!r}" if key in settings else f"no {key}" for key in keys)
    return text if len(text) < 200 else f"{text[:200]} ..."
