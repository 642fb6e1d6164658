"""From networks on the disk to the shards of a data set, a part at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from wsgraph.datasets.dataset import WeightDataset
from wsgraph.datasets.writer import WeightWriter
from wsgraph.errors import StateError, WSGraphError
from wsgraph.progress import patient_progress
from wsgraph.trace import trace

SHARD = 4096
"""Networks in a shard: tens of megabytes for networks of a few thousand weights."""

States = Mapping[str, Tensor]
Columns = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Networks:
    """Networks of one architecture that wait on the disk.

    Args:
        build: The architecture, as a module with any weights.
        example: An input of it.
        table: One row a network.
        load: Reads the networks of some rows: their stacked state dicts, and columns that only their files know.
    """

    build: Callable[[], nn.Module]
    example: Tensor
    table: pd.DataFrame
    load: Callable[[pd.DataFrame], tuple[States, Columns]]


def write_networks(
    folder: str | Path, networks: Sequence[Networks], *, settings: Mapping[str, Any], shard_size: int
) -> WeightDataset:
    """Write a data set in shards of one architecture each; those that are there already are not read again.

    A column ``finite`` says whether all weights of a network are finite.

    Raises:
        WSGraphError: There is nothing to write, the folder holds another data set, or a file is wrong.
    """
    total = sum(len(part.table) for part in networks)
    if total == 0 or shard_size < 1:
        raise WSGraphError(f"Expected networks and a shard size of at least 1, got {total} and {shard_size}.")
    source = {"networks": total, "shard_size": shard_size, "tables": _digest(networks)}
    writer = WeightWriter(folder, settings={**settings, **source})
    number = 0
    with patient_progress("Reading networks", total) as advance:
        for part in networks:
            starts = range(0, len(part.table), shard_size)
            missing = [(number + i, start) for i, start in enumerate(starts) if number + i not in writer.finished]
            number += len(starts)
            advance(len(part.table) - sum(len(part.table[start : start + shard_size]) for _, start in missing))
            _write_missing(writer, part, missing, shard_size, advance)
    return WeightDataset(folder)


def stack_states(
    files: Iterable[Path], read: Callable[[Path], States], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Tensor]:
    """The tensors ``[n, ...]`` of the networks in n files, in the order of ``shapes``.

    Args:
        files: One file a network.
        read: The state dict in a file.
        shapes: The shapes that every state dict must have.

    Raises:
        WSGraphError: A file holds other tensors.
    """
    states = [_checked(path, read(path), shapes) for path in files]
    return {name: torch.stack([state[name] for state in states]) for name in shapes}


def state_shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor in the state dict of a module."""
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def _write_missing(
    writer: WeightWriter,
    part: Networks,
    missing: list[tuple[int, int]],
    shard_size: int,
    advance: Callable[[int], None],
) -> None:
    if not missing:
        return
    space = trace(part.build(), part.example)
    for number, start in missing:
        rows = part.table.iloc[start : start + shard_size].reset_index(drop=True)
        states, columns = part.load(rows)
        weights, integers = space.flatten(states)
        finite = torch.isfinite(weights).all(-1).numpy()
        writer.write(number, space, weights, rows.assign(**columns, finite=finite), integers)
        advance(len(rows))


def _digest(networks: Sequence[Networks]) -> str:
    """Tells the networks of one source from those of another."""
    total = hashlib.sha256()
    for part in networks:
        total.update(pd.util.hash_pandas_object(part.table, index=False).to_numpy().tobytes())
    return total.hexdigest()[:16]


def _checked(path: Path, state: States, shapes: Mapping[str, tuple[int, ...]]) -> States:
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    if found != dict(shapes):
        wrong = next(name for name in (*shapes, *found) if found.get(name) != shapes.get(name))
        raise StateError(
            f"{path}: expected tensor {wrong!r} of shape {_shape(shapes.get(wrong))}, got {_shape(found.get(wrong))}."
        )
    return state


def _shape(shape: tuple[int, ...] | None) -> str:
    return "none" if shape is None else str(list(shape))
