"""SIRENs in one file each: what the readers of INRs share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from wsgraph.datasets.dataset import WeightDataset
from wsgraph.datasets.readers.networks import Columns, Networks, States, stack_states, state_shapes, write_networks
from wsgraph.datasets.readers.pickles import load_plain
from wsgraph.datasets.readers.sine_network import SineNetwork, siren_state
from wsgraph.errors import WSGraphError

OMEGA = 30.0


def write_sirens(
    folder: str | Path,
    source: Path,
    table: pd.DataFrame,
    *,
    sizes: Sequence[int],
    offset: float,
    settings: dict[str, Any],
    shard_size: int,
    columns: Callable[[Path, States], dict[str, Any]] = lambda path, state: {},
) -> WeightDataset:
    """Write the SIRENs in the files of the column ``path``, relative to the source.

    Args:
        folder: Where the data set goes.
        source: Where the files are.
        table: One row a file.
        sizes: Widths from input to output.
        offset: What the networks add to their output.
        settings: Of the data set; those of a SIREN join them.
        shard_size: Networks in a shard.
        columns: What else there is to say of a network, from its path and file.

    Raises:
        WSGraphError: A file is missing, cut off, or holds another network.
    """
    build = partial(SineNetwork, sizes, OMEGA, offset)
    part = Networks(build, torch.zeros(1, sizes[0]), table, partial(_load, source, build, columns))
    found = {"sizes": list(sizes), "omega": OMEGA, "offset": offset}
    return write_networks(folder, [part], settings={**settings, **found}, shard_size=shard_size)


def _load(
    source: Path,
    build: Callable[[], SineNetwork],
    columns: Callable[[Path, States], dict[str, Any]],
    rows: pd.DataFrame,
) -> tuple[States, Columns]:
    said: list[dict[str, Any]] = []

    def read(path: Path) -> States:
        state = load_plain(path)
        if not isinstance(state, dict):
            raise WSGraphError(f"{path}: expected the state dict of a SIREN, got {type(state).__name__}.")
        said.append(columns(path, state))
        return siren_state(path, state)

    states = stack_states([source / name for name in rows["path"]], read, state_shapes(build()))
    return states, {name: [one[name] for one in said] for name in (said[0] if said else {})}
