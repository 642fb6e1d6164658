"""The Small Transformer Zoo of Tran et al. (2025)."""

from __future__ import annotations

import math
from collections.abc import Collection
from functools import partial
from pathlib import Path

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
from wsgraph.datasets.readers.small_transformer import SmallTransformer, TransformerShape, sinusoids
from wsgraph.errors import WSGraphError

POSITIONS = "embedding.pos_embedding"
NEEDED = ("ckpt_file", "ckpt_epoch")


def read_small_transformer_zoo(
    source: str | Path,
    folder: str | Path,
    *,
    name: str = "mnist",
    epochs: Collection[str] | None = ("75",),
    heads: int = 2,
    shard_size: int = SHARD,
) -> WeightDataset:
    """Read the Small Transformer Zoo of `Tran et al. (2025) <https://openreview.net/forum?id=uBai0ukstY>`_.

    - **Where:** ``MNIST-Transformers.zip`` and ``AG-News-Transformers.zip`` at https://huggingface.co/datasets/
      anonymized-acamedia/Small-Transformer-Zoo. Loader: https://github.com/Fsoft-AIC/Transformer-NFN (MIT).
    - **What:** transformers of two blocks and two heads, width 32, trained with other hyperparameters each (optimiser,
      rate, initial deviation, fraction of the data, weight decay, dropout), with checkpoints at epochs 50, 75, 100 and
      the best one: ``<name>/<run>_<epoch>_<accuracy in 1/10,000>.pt`` and ``metadata/<name>.csv``.
    - **Network:** :class:`SmallTransformer`, with patches of images for ``mnist``. That of ``ag_news`` is given its
      tokens: its word vectors are the same in all networks, are not trained, and are not in the checkpoints.
    - **Columns:** those of the metadata (``lr``, ``optimizer``, ``dropout``, ...), ``run``, ``test_accuracy`` under
      one name for both zoos, ``path``, ``finite``.
    - **Traps:** the blocks have **no residual connections**. Checkpoints of a run are no independent networks: split
      by ``run``. The published code takes epoch 75, reads accuracies of 1 / 10,000, shuffles without a seed (so there
      is no fixed split), and leaves out networks below a cut-off that papers choose differently.

    Args:
        source: The extracted archive: the folder with ``metadata`` and ``<name>``.
        folder: Where the data set goes. A reading that was interrupted goes on.
        name: ``"mnist"`` or ``"ag_news"``.
        epochs: The checkpoints to read, as in the column ``ckpt_epoch`` (``"75"``, ``"best1"``), or None for all.
        heads: Of every attention, where the metadata have no column ``n_attention_heads``.
        shard_size: Networks in a shard.

    Raises:
        WSGraphError: A file is missing, cut off, or holds another network.
    """
    source = Path(source)
    accuracy = "test_top1_accuracy" if name == "mnist" else "test_accuracy"
    table = _read_metadata(source / "metadata" / f"{name}.csv", accuracy)
    table["ckpt_epoch"] = table["ckpt_epoch"].astype(str)
    if epochs is not None:
        table = table[table["ckpt_epoch"].isin([str(epoch) for epoch in epochs])].copy()
    if not len(table):
        raise WSGraphError(f"{source}: expected checkpoints of the epochs {epochs} in the metadata, there are none.")
    table["path"] = [f"{name}/{Path(path).name}" for path in table["ckpt_file"]]
    table["run"] = [Path(path).name.split("_")[0] for path in table["ckpt_file"]]
    table["heads"] = table["n_attention_heads"] if "n_attention_heads" in table.columns else heads
    parts = []
    for count, rows in table.groupby("heads", dropna=False):
        shape = _shape(source / rows["path"].iloc[0], int(str(count)))
        build = partial(SmallTransformer, shape)
        parts.append(Networks(build, shape.example, rows.drop(columns="heads"), partial(_load, source, shape)))
    settings = {"reader": "small_transformer_zoo", "name": name, "epochs": None if epochs is None else sorted(epochs)}
    return write_networks(folder, parts, settings=settings, shard_size=shard_size)


def _read_metadata(path: Path, accuracy: str) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise WSGraphError(f"Expected a table with a row for each checkpoint at {path}: {error}") from error
    if not {*NEEDED, accuracy} <= set(table.columns):
        raise WSGraphError(
            f"{path}: expected the columns {', '.join(NEEDED)} and {accuracy}, got {list(table.columns)}."
        )
    return table.assign(test_accuracy=table[accuracy])


def _load(source: Path, shape: TransformerShape, rows: pd.DataFrame) -> tuple[States, Columns]:
    read = partial(_state, shape)
    return stack_states([source / name for name in rows["path"]], read, state_shapes(SmallTransformer(shape))), {}


def _state(shape: TransformerShape, path: Path) -> States:
    """The weights in a checkpoint, without the positions."""
    state = dict(load_plain(path))
    positions = state.pop(POSITIONS, None)
    wanted = sinusoids(shape.tokens, shape.width)
    if positions is not None and not (
        positions.shape == wanted.shape and torch.allclose(positions.float(), wanted, atol=1e-4)
    ):
        raise WSGraphError(f"{path}: expected sinusoidal positions {list(wanted.shape)} in {POSITIONS}, got others.")
    return state


def _shape(path: Path, heads: int) -> TransformerShape:
    """The sizes of the network in a checkpoint."""
    state = load_plain(path)
    try:
        hidden, width = state["encoder.0.fc1.weight"].shape
        conv, positions = state.get("embedding.conv1.weight"), state.get(POSITIONS)
        depth = len([key for key in state if key.startswith("encoder.") and key.endswith(".fc1.weight")])
        classes = len(state["classifier.fc2.bias"])
        patch = None if conv is None else (conv.shape[1], conv.shape[2], conv.shape[3])
    except (KeyError, AttributeError, TypeError, ValueError, IndexError) as error:
        raise WSGraphError(f"{path}: expected the state dict of a small transformer; it has no {error}.") from error
    tokens = 49 if positions is None else len(positions)
    if width % heads or (patch is not None and math.isqrt(tokens) ** 2 != tokens):
        raise WSGraphError(
            f"{path}: expected a width that {heads} heads divide and a square of patches: {width}, {tokens}."
        )
    return TransformerShape(width, hidden, depth, heads, classes, tokens, patch)
