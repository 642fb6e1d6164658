"""The CNN Wild Park of Kofinas et al. (2024)."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from wsgraph.datasets.dataset import WeightDataset
from wsgraph.datasets.readers.networks import (
    SHARD,
    Columns,
    Networks,
    States,
    stack_states,
    state_shapes,
    write_networks,
)
from wsgraph.datasets.readers.pickles import Inert, load_inert
from wsgraph.datasets.readers.splits import check_present, last_parts, read_splits
from wsgraph.datasets.readers.wild_cnn import WildCNN
from wsgraph.errors import WSGraphError

KEYS = ("channels", "kernel_size", "stride", "padding", "residual", "activation", "n_classes")


def read_cnn_wild_park(
    source: str | Path, folder: str | Path, *, splits: str | Path | None = None, shard_size: int = SHARD
) -> WeightDataset:
    """Read the CNN Wild Park of `Kofinas et al. (2024) <https://arxiv.org/abs/2403.12143>`_.

    - **Where:** https://doi.org/10.5281/zenodo.12797219; see there for the licence. Loader:
      https://github.com/mkofinas/neural-graphs.
    - **What:** 117,241 checkpoints of 2,800 CNNs for CIFAR-10, one every 10 epochs, in ``<zoo>/<run>/checkpoint_*/
      checkpoint.pt``: a state dict, the state of the optimiser, the configuration, and the last result.
    - **Network:** :class:`WildCNN`, ``WildCNN.from_json(row.config)``; 2 to 5 layers of 4 to 32 channels, kernels of
      3, 5 or 7, an activation function a layer, and skips. Almost every run is a weight space of its own.
    - **Columns:** ``run``, ``step``, ``test_accuracy``, ``config`` (JSON), ``num_layers``, ``split``, ``path``,
      ``finite``.
    - **Traps:** checkpoints of a run are no independent networks: split by ``run``, as the published splits do. The
      published task takes all checkpoints, not the last ones only. A skip adds as many channels as both layers have.

    The configuration is an OmegaConf object, which ``torch.load`` reads by running code. Here nothing is run or
    imported that a file names: its tensors and plain values are read, and the rest is let go.

    Args:
        source: The folder under which the checkpoints lie.
        folder: Where the data set goes. A reading that was interrupted goes on.
        splits: A file like ``cnn_park_splits.json`` of neural-graphs; without it there is no column ``split``.
        shard_size: Networks in a shard, of one architecture.

    Raises:
        WSGraphError: There is no checkpoint, or one is cut off or not of its configuration.
    """
    source = Path(source)
    files = sorted(source.rglob("checkpoint.pt"))
    if not files:
        raise WSGraphError(f"Expected <run>/checkpoint_000009/checkpoint.pt, ... under {source}; there are none.")
    table = pd.DataFrame({"run": [path.parent.parent.name for path in files]})
    table["path"] = [path.relative_to(source).as_posix() for path in files]
    if splits is not None:
        found, named = read_splits(splits, 3), [last_parts(path, 3) for path in files]
        check_present(found, named, source)
        table["split"] = [found.get(name) for name in named]
    first = table.drop_duplicates("run")
    configs = {run: _read(source / path)[1] for run, path in zip(first["run"], first["path"], strict=True)}
    table["config"] = table["run"].map(configs)
    parts = [
        Networks(
            partial(WildCNN.from_json, str(config)),
            torch.zeros(1, json.loads(str(config))["channels"][0], 32, 32),
            rows.assign(num_layers=len(json.loads(str(config))["channels"]) - 1),
            partial(_load, source, str(config)),
        )
        for config, rows in table.groupby("config")
    ]
    settings = {"reader": "cnn_wild_park", "splits": None if splits is None else Path(splits).name}
    return write_networks(folder, parts, settings=settings, shard_size=shard_size)


def _load(source: Path, config: str, rows: pd.DataFrame) -> tuple[States, Columns]:
    steps: list[int] = []
    accuracies: list[float] = []

    def read(path: Path) -> States:
        state, found, step, accuracy = _read(path)
        if found != config:
            raise WSGraphError(f"{path}: expected the configuration of its run, {config}, got {found}.")
        steps.append(step)
        accuracies.append(accuracy)
        return state

    states = stack_states([source / name for name in rows["path"]], read, state_shapes(WildCNN.from_json(config)))
    return states, {"step": steps, "test_accuracy": accuracies}


def _read(path: Path) -> tuple[States, str, int, float]:
    """The state dict, the configuration as JSON, the epoch, and the accuracy in a checkpoint."""
    content = load_inert(path)
    try:
        config = _plain(content["config"])
        text = json.dumps({key: config[key] for key in KEYS})
        return dict(content["model"]), text, int(content["iteration"]), float(content["last_result"]["test/acc"])
    except (KeyError, TypeError, ValueError) as error:
        raise WSGraphError(
            f"{path}: expected a checkpoint with model, iteration, last_result['test/acc'], and a config with "
            f"{', '.join(KEYS)}; {error!r} says otherwise."
        ) from error


def _plain(value: Any) -> Any:
    """Dictionaries, lists and values, out of the objects in which OmegaConf keeps them."""
    if isinstance(value, Inert) and isinstance(value.state, dict):
        state = value.state
        return _plain(state["_val"] if "_val" in state else state["_content"])
    if isinstance(value, dict):
        return {_plain(key): _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, list | tuple) else value
