"""Rows of weights behind one numbering, wherever their shards lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from wsgraph.datasets.index import Index
from wsgraph.datasets.shard import MappedShard, Shard
from wsgraph.space import WeightSpace

MAPPED_BYTES = 2**28
"""Of mapped files that may stay in memory while rows are read here and there, however large the data set is."""

RUN_BYTES = 2**25
"""The same while rows are read in order."""

FAULT_BYTES = 2**21
"""What the system may map around a byte that is read: a large page."""

Piece = tuple[slice | Tensor, tuple[Tensor, Tensor]]
"""Places among the rows that are read, and the weights and integers there."""


class Store:
    """The networks of some shards, numbered from 0 in the order of the shards.

    Args:
        shards: In order.
        spaces: The weight spaces that their numbers mean.
    """

    def __init__(self, shards: Sequence[Shard], spaces: Sequence[WeightSpace]) -> None:
        self.shards, self.spaces = list(shards), list(spaces)
        rows = torch.tensor([shard.rows for shard in self.shards], dtype=torch.long)
        self._ends = rows.cumsum(0)
        self._shard_spaces = torch.tensor([shard.space for shard in self.shards], dtype=torch.long)
        self._mapped = [0] * len(self.shards)  # an upper bound of the bytes in memory

    @classmethod
    def of_folder(cls, index: Index) -> Store:
        """The shards of a data set on disk, none of which is opened yet."""
        shards = []
        for number, entry in index.shards.items():
            space = index.spaces[entry.space]
            shape = (entry.rows, space.num_weights)
            path, dtype = index.weights_path(number), getattr(torch, entry.dtype)
            shards.append(MappedShard(path, entry.space, dtype, shape, space.num_integers))
        return cls(shards, index.spaces)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    @property
    def on_disk(self) -> bool:
        """Whether the weights are read from files."""
        return any(isinstance(shard, MappedShard) for shard in self.shards)

    @property
    def exceeds_maps(self) -> bool:
        """Whether files have to be mapped again and again while rows are read here and there."""
        sizes = [shard.rows * self.spaces[shard.space].num_weights for shard in self.shards]
        return self.on_disk and 4 * sum(sizes) > MAPPED_BYTES

    def space_numbers(self, rows: Tensor) -> Tensor:
        """The number of the weight space of each row, ``[n]``."""
        return self._shard_spaces[torch.searchsorted(self._ends, rows, right=True)]

    def read(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Copies of the weights ``[n, P]`` and integers ``[n, Q]`` of rows ``[n]`` of one weight space, n ≥ 1.

        Rows that follow one another are read in one piece, others shard by shard.
        """
        pieces = self._runs(rows) if bool((rows.diff() == 1).all()) else self._gathered(rows)
        result: list[Tensor] = []
        for places, parts in pieces:
            if isinstance(places, slice) and len(parts[0]) == len(rows):
                return parts
            result = result or [part.new_empty(len(rows), part.shape[1]) for part in parts]
            for target, part in zip(result, parts, strict=True):
                target[places] = part
        return result[0], result[1]

    def _runs(self, rows: Tensor) -> Iterator[Piece]:
        """Rows that follow one another, shard by shard: their places among all, and views; copies if they are all."""
        first, last = int(rows[0]), int(rows[-1])
        begin, end = torch.searchsorted(self._ends, torch.tensor([first, last]), right=True).tolist()
        for number in range(begin, end + 1):
            rows_here = self.shards[number].rows
            start = int(self._ends[number]) - rows_here
            low, high = max(first - start, 0), min(last + 1 - start, rows_here)
            weights, integers = (tensor[low:high] for tensor in self._opened(number, high - low, scattered=False))
            whole = begin == end
            yield (
                slice(start + low - first, start + high - first),
                ((weights.clone(), integers.clone()) if whole else (weights, integers)),
            )

    def _gathered(self, rows: Tensor) -> Iterator[Piece]:
        """Rows in any order, shard by shard and on disk in ascending order: their places among all, and copies."""
        if len(self.shards) == 1 and not self.on_disk:
            weights, integers = self.shards[0].tensors()
            local = rows.to(weights.device)
            yield slice(0, len(rows)), (weights.index_select(0, local), integers.index_select(0, local))
            return
        order = rows.argsort()
        of_shard = torch.searchsorted(self._ends, rows[order], right=True)
        numbers, counts = of_shard.unique_consecutive(return_counts=True)
        for number, places in zip(numbers.tolist(), order.split(counts.tolist()), strict=True):
            weights, integers = self._opened(number, len(places), scattered=True)
            start = int(self._ends[number]) - self.shards[number].rows
            local = (rows[places] - start).to(weights.device)
            yield places, (weights.index_select(0, local), integers.index_select(0, local))

    def _opened(self, number: int, count: int, *, scattered: bool) -> tuple[Tensor, Tensor]:
        """The tensors of a shard of which ``count`` rows are to be read; maps that have grown large are let go."""
        if sum(self._mapped) > (MAPPED_BYTES if scattered else RUN_BYTES):
            for shard in self.shards:
                shard.close()
            self._mapped = [0] * len(self.shards)
        tensors = self.shards[number].tensors()
        row = sum(tensor.shape[1] * tensor.element_size() for tensor in tensors)
        more = count * (row + FAULT_BYTES * scattered)
        self._mapped[number] = min(self._mapped[number] + more, len(tensors[0]) * row)
        return tensors
