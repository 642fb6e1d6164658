"""The model zoos of Schürholt et al. (2022)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
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
from wsgraph.datasets.readers.pickles import load_plain
from wsgraph.datasets.readers.zoo_cnn import SHAPES, ZooCNN, image_size
from wsgraph.errors import WSGraphError

CHECKPOINT = re.compile(r"checkpoint_(\d+)")
TENSOR = re.compile(r"module_list\.(\d+)\.(weight|bias)")
ARCHITECTURE = ["model_type", "model_channels_in", "model_nlin"]
RESULTS = ("train_loss", "train_acc", "val_loss", "val_acc", "test_loss", "test_acc")


def read_model_zoo(
    source: str | Path, folder: str | Path, *, epochs: Collection[int] | None = None, shard_size: int = SHARD
) -> WeightDataset:
    """Read a raw model zoo of `Schürholt et al. (2022) <https://arxiv.org/abs/2209.14764>`_.

    - **Where:** the zip archives at the DOIs in https://github.com/ModelZoos/ModelZooDataset (MNIST:
      https://doi.org/10.5281/zenodo.6632086). CC-BY 4.0.
    - **What:** a folder a trial of Ray Tune, with ``params.json``, ``result.json`` (one line an epoch), and
      ``checkpoint_<epoch>/checkpoints``, a state dict. About 1,000 trials of 50 epochs a zoo; zoos of other seeds, or
      of other hyperparameters (activation, initialisation, optimiser, dropout, learning rate, weight decay).
    - **Network:** :class:`ZooCNN`: ``CNN`` (2,464 parameters with one input channel) or ``CNN3`` for "large" zoos.
      Every activation function is a weight space of its own; dropout is none.
    - **Columns:** ``trial``, ``epoch``, the plain values of ``params.json`` (``::`` becomes ``_``: ``model_nlin``,
      ``optim_lr``, ...), what ``result.json`` says of the epoch (``test_acc``, ``train_acc``, ...), ``path``,
      ``finite``.
    - **Traps:** epochs of a trial are no independent networks: split by ``trial``. The published splits shuffle
      folders in the order in which a file system lists them, and cannot be made again from the archives. The entry
      ``model::o_dim`` is not the number of classes, which is 10. Published loaders leave out networks with weights
      above a threshold or not finite; here they stay, see ``finite``.
    - **Not read:** the preprocessed ``.pt`` files, for which there is :func:`read_model_zoo_file`; the ResNet-18 zoos,
      for which there is :func:`wsgraph.datasets.import_states`; and the sparsified zoos.

    Args:
        source: The folder with the folders of the trials.
        folder: Where the data set goes. A reading that was interrupted goes on.
        epochs: Which checkpoints to read, or None for all that are there.
        shard_size: Networks in a shard.

    Raises:
        WSGraphError: There is no trial, its files are cut off, or it holds another network.
    """
    source = Path(source)
    if source.is_file():
        raise WSGraphError(
            f"Expected the folder of a raw model zoo, got the file {source}. Extract it, or read a preprocessed .pt "
            "file with read_model_zoo_file."
        )
    trials = sorted(path.parent for path in source.glob("*/params.json"))
    rows = [row for trial in trials for row in _rows(trial, None if epochs is None else set(epochs))]
    if not rows:
        raise WSGraphError(
            f"Expected folders with params.json, result.json and checkpoint_000050/checkpoints in {source}"
            f"{'' if epochs is None else f', of epochs {sorted(epochs)}'}; there are none."
        )
    parts = zoo_networks(pd.DataFrame(rows), partial(_load, source))
    settings = {"reader": "model_zoo", "epochs": None if epochs is None else sorted(epochs)}
    return write_networks(folder, parts, settings=settings, shard_size=shard_size)


def _rows(trial: Path, epochs: set[int] | None) -> list[dict[str, Any]]:
    """A row for each checkpoint of a trial."""
    params = {key.replace("::", "_"): value for key, value in _json(trial / "params.json", 1)[0].items()}
    if params.get("model_type") not in SHAPES or not set(ARCHITECTURE) <= params.keys():
        raise WSGraphError(
            f"{trial / 'params.json'}: expected model::type among {', '.join(SHAPES)}, with model::channels_in and "
            f"model::nlin, got {params.get('model_type')!r}. Read other networks with import_states."
        )
    plain = {key: value for key, value in params.items() if isinstance(value, str | int | float)}
    results = {int(line["training_iteration"]): line for line in _json(trial / "result.json", None)}
    rows = []
    for path in sorted(trial.glob("checkpoint_*/checkpoints")):
        match = CHECKPOINT.fullmatch(path.parent.name)
        if match is None or (epochs is not None and int(match[1]) not in epochs):
            continue
        epoch = int(match[1])
        said = results.get(epoch, {})
        name = f"{trial.name}/{path.parent.name}/{path.name}"
        measured = {key: float(said[key]) for key in RESULTS if key in said}
        rows.append({"trial": trial.name, "epoch": epoch, "path": name, **plain, **measured})
    return rows


def _json(path: Path, lines: int | None) -> list[dict[str, Any]]:
    """The objects in a file: one in all of it, or one a line."""
    try:
        text = path.read_text()
        return [json.loads(part) for part in ([text] if lines else text.splitlines())]
    except (OSError, ValueError) as error:
        raise WSGraphError(f"Expected JSON that is whole at {path}: {error}") from error


def _load(source: Path, model: ZooCNN, rows: pd.DataFrame) -> tuple[States, Columns]:
    files = [source / name for name in rows["path"]]
    return stack_states(files, lambda path: zoo_state(path, load_plain(path)), state_shapes(model)), {}


def zoo_networks(table: pd.DataFrame, load: Callable[[ZooCNN, pd.DataFrame], tuple[States, Columns]]) -> list[Networks]:
    """The networks of a table with the columns of ``ARCHITECTURE``, by their architectures."""
    parts = []
    for (kind, channels, nlin), rows in table.groupby(ARCHITECTURE, dropna=False):
        build = partial(ZooCNN, str(kind), int(channels), str(nlin))
        example = torch.zeros(1, int(channels), image_size(str(kind)), image_size(str(kind)))
        parts.append(Networks(build, example, rows, partial(load, build())))
    return parts


def zoo_state(path: Path, state: Any) -> States:
    """The state dict of a :class:`ZooCNN`: the layers of a published one in order, whatever stands between them.

    Raises:
        WSGraphError: It is something else.
    """
    names = [TENSOR.fullmatch(str(name)) for name in state] if isinstance(state, dict) else []
    if not names or None in names:
        found = list(state)[:4] if isinstance(state, dict) else type(state).__name__
        raise WSGraphError(f"{path}: expected the tensors module_list.0.weight, module_list.0.bias, ..., got {found}.")
    order = sorted({int(name[1]) for name in names if name})
    return {f"layers.{order.index(int(name[1]))}.{name[2]}": state[name[0]] for name in names if name}
