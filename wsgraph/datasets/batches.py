"""Batches of a data set: whole matrices, read, gathered and handed on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from wsgraph.datasets.loaded import loaded_store
from wsgraph.datasets.mixed import Run, batch_of_runs
from wsgraph.datasets.store import Store
from wsgraph.errors import WSGraphError
from wsgraph.graph import NeuronGraph

AHEAD_BYTES = 2**26
"""Of networks that are read at once, and wait in memory, where they lie here and there in files."""


class Batches:
    """A sized iterable of batches of neuron graphs. Every pass reads anew, and shuffles anew.

    Args:
        store: Where the weights are.
        rows: ``[n]``, the networks in order.
        columns: Numbers ``[n]`` to attach to the batches, by name.
        batch_size: Networks in a batch.
        shuffle: Whether to draw a new order for every pass. The graphs of a batch are then sorted by weight space.
        generator: Where the order comes from; torch's global one if not given.
        device: Where the batches go; they stay where the weights are if not given.
        drop_last: Whether to leave out a last batch that is smaller.
        transform: Applied to every batch.
    """

    def __init__(
        self,
        store: Store,
        rows: Tensor,
        columns: Mapping[str, Tensor],
        *,
        batch_size: int,
        shuffle: bool,
        generator: torch.Generator | None,
        device: torch.device | str | None,
        drop_last: bool,
        transform: Callable[[NeuronGraph], NeuronGraph] | None,
    ) -> None:
        if batch_size < 1:
            raise WSGraphError(f"Expected a batch_size of at least 1, got {batch_size}.")
        for name in columns:
            _check_attribute(name)
        self._store, self._rows, self._columns = store, rows, columns
        self._batch_size, self._shuffle, self._generator = batch_size, shuffle, generator
        self._device, self._drop_last, self._transform = device, drop_last, transform

    def __len__(self) -> int:
        extra = 0 if self._drop_last else self._batch_size - 1
        return (len(self._rows) + extra) // self._batch_size

    def __iter__(self) -> Iterator[NeuronGraph]:
        count = len(self._rows)
        order = torch.randperm(count, generator=self._generator) if self._shuffle else torch.arange(count)
        order = order[: len(self) * self._batch_size]
        ahead = self._batches_ahead(self._rows[order])
        for block in order.split(ahead * self._batch_size) if len(order) else ():
            store, rows = self._store, self._rows[block]
            if ahead > 1:
                store, _, rows = loaded_store(store, rows, None)
            for places, part in zip(block.split(self._batch_size), rows.split(self._batch_size), strict=True):
                yield self._batch(store, places, part)

    def _batches_ahead(self, rows: Tensor) -> int:
        """How many batches to read at once: several where many files are read here and there, which is slow."""
        if not self._store.exceeds_maps or bool((rows.diff() > 0).all()):
            return 1
        network = max(4 * space.num_weights + 8 * space.num_integers for space in self._store.spaces)
        return max(1, AHEAD_BYTES // max(1, network * self._batch_size))

    def _batch(self, store: Store, places: Tensor, rows: Tensor) -> NeuronGraph:
        places, runs = self._runs(store, places, rows)
        device = runs[0][1].device
        batch = batch_of_runs(runs, **{name: values[places].to(device) for name, values in self._columns.items()})
        return batch if self._transform is None else self._transform(batch)

    def _runs(self, store: Store, places: Tensor, rows: Tensor) -> tuple[Tensor, list[Run]]:
        """The places in the order of the batch, and their networks as runs of one weight space each.

        Every space is read once, and cut.
        """
        if len(store.spaces) == 1:
            return places, [(store.spaces[0], *self._read(store, rows))]
        numbers = store.space_numbers(rows)
        if self._shuffle:
            numbers, order = numbers.sort(stable=True)
            places, rows = places[order], rows[order]
        kinds, counts = numbers.unique_consecutive(return_counts=True)
        pieces = {
            number: [
                part.split(counts[kinds == number].tolist()) for part in self._read(store, rows[numbers == number])
            ]
            for number in kinds.unique().tolist()
        }
        queues = {number: zip(*parts, strict=True) for number, parts in pieces.items()}
        return places, [(store.spaces[number], *next(queues[number])) for number in kinds.tolist()]

    def _read(self, store: Store, rows: Tensor) -> tuple[Tensor, Tensor]:
        weights, integers = store.read(rows)
        return weights.to(self._device), integers.to(self._device)

    def __repr__(self) -> str:
        order = "shuffled" if self._shuffle else "in order"
        return f"Batches({len(self)} of {self._batch_size} networks, {order})"


def _check_attribute(name: str) -> None:
    own = name in ("weights", "integers", "space", "batch", "ptr", "num_nodes") or name in vars(NeuronGraph)
    if own or callable(getattr(NeuronGraph, name, None)):
        raise WSGraphError(
            f"A column {name!r} cannot become an attribute: neuron graphs have one of that name. Read it with "
            f"dataset.column({name!r}), or rename it."
        )
