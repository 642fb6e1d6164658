"""Rows of a store, brought into memory."""

from __future__ import annotations

import torch
from torch import Tensor

from wsgraph.datasets.shard import LoadedShard
from wsgraph.datasets.store import Store


def loaded_store(store: Store, rows: Tensor, device: torch.device | str | None) -> tuple[Store, Tensor, Tensor]:
    """A store in memory, or on a device, with one shard for each weight space.

    Returns:
        The store; ``[n]``, the positions in ``rows`` of its networks; and ``[n]``, the numbers there of ``rows``.
    """
    numbers, order = store.space_numbers(rows).sort(stable=True)
    kinds, counts = numbers.unique_consecutive(return_counts=True)
    shards = []
    for kind, places in zip(kinds.tolist(), order.split(counts.tolist()) if len(rows) else (), strict=True):
        weights, integers = (tensor.to(device) for tensor in store.read(rows[places]))
        shards.append(LoadedShard(kind, weights, integers))
    return Store(shards, store.spaces), order, order.argsort()
