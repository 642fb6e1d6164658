"""The preprocessed files of the model zoos of Schürholt et al. (2022)."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from wsgraph.datasets.dataset import WeightDataset
from wsgraph.datasets.readers.model_zoos import zoo_networks, zoo_state
from wsgraph.datasets.readers.networks import (
    SHARD,
    Columns,
    States,
    stack_states,
    state_shapes,
    write_networks,
)
from wsgraph.datasets.readers.pickles import Inert, load_inert
from wsgraph.datasets.readers.zoo_cnn import SHAPES, ZooCNN
from wsgraph.errors import WSGraphError

SPLITS = {"trainset": "train", "valset": "val", "testset": "test"}


def read_model_zoo_file(
    source: str | Path, folder: str | Path, *, activation: str | None = None, shard_size: int = SHARD
) -> WeightDataset:
    """Read a preprocessed model zoo of `Schürholt et al. (2022) <https://arxiv.org/abs/2209.14764>`_.

    - **Where:** the ``.pt`` files, such as ``dataset_cifar_small_hyp_fix.pt``, at the DOIs in
      https://github.com/ModelZoos/ModelZooDataset. CC-BY 4.0.
    - **What:** networks of :func:`read_model_zoo` at some epochs, with the published splits, which cannot be had from
      the raw zoos. Networks with weights that are not finite, or large, were left out.
    - **Columns:** ``split``, ``trial``, ``epoch``, the properties that the file holds (``test_acc``, ``ggap``,
      ``model_nlin``, ...), ``model_type``, ``model_channels_in``, ``finite``.
    - **Traps:** splits are by trial, so that all epochs of one are in one split. Zoos that vary their seeds alone do
      not say their activation function: for MNIST, "tanh" is that of their published script.

    The file is a pickle of the authors' own classes, which ``torch.load`` reads by running code. Here nothing is run
    or imported that the file names; it is read as a whole, so the memory must hold it. The format was taken from the
    class that wrote the files (``checkpoints_to_datasets/dataset_base.py``, mode "checkpoint").

    Args:
        source: The file.
        folder: Where the data set goes. A reading that was interrupted goes on.
        activation: The activation function of all networks, where the properties have none.
        shard_size: Networks in a shard.

    Raises:
        WSGraphError: The file is missing, cut off, or of another kind.
    """
    source = Path(source)
    networks: dict[Path, Any] = {}
    table = _read(source, networks)
    if "model_nlin" not in table.columns:
        if activation is None:
            raise WSGraphError(
                f"{source} does not say the activation function of its networks: pass activation='tanh'."
            )
        table["model_nlin"] = activation
    parts = zoo_networks(table, partial(_load, source, networks))
    return write_networks(folder, parts, settings={"reader": "model_zoo_file"}, shard_size=shard_size)


def _read(source: Path, networks: dict[Path, Any]) -> pd.DataFrame:
    """A row for each network of the file; the state dicts are collected by their place in it."""
    content = load_inert(source)
    rows: list[dict[str, Any]] = []
    try:
        for name, split in SPLITS.items():
            part = content[name].state
            properties = part["properties"] or {}
            for i, state in enumerate(part["data_in"]):
                networks[source / name / str(i)] = state
                said = {key.replace("::", "_"): values[i] for key, values in properties.items()}
                place = {"path": f"{name}/{i}", "split": split, "epoch": int(part["epochs"][i])}
                rows.append({**said, **place, "trial": _last(part["paths"][i]), **_kind(state)})
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise WSGraphError(
            f"{source}: expected trainset, valset and testset with the attributes data_in (state dicts), paths, epochs "
            f"and properties; {error!r} says otherwise."
        ) from error
    return pd.DataFrame(rows)


def _last(path: Any) -> str:
    """The last part of a path."""
    return str(path.args[-1] if isinstance(path, Inert) else Path(path).name)


def _kind(state: States) -> dict[str, Any]:
    """Which network it is, by its first tensor."""
    widths, channels = next(iter(state.values())).shape[:2]
    kinds = [name for name, shape in SHAPES.items() if shape.widths[0] == widths]
    if not kinds:
        raise ValueError(f"a first layer of {widths} channels")
    return {"model_type": kinds[0], "model_channels_in": int(channels)}


def _load(source: Path, networks: dict[Path, Any], model: ZooCNN, rows: pd.DataFrame) -> tuple[States, Columns]:
    files = [source / name for name in rows["path"]]
    return stack_states(files, lambda path: zoo_state(path, networks[path]), state_shapes(model)), {}
