"""The Small CNN Zoo of Unterthiner et al. (2020)."""

from __future__ import annotations

import random
from collections.abc import Collection
from functools import partial
from pathlib import Path
from zlib import error as ZlibError

import numpy as np
import pandas as pd
import torch

from wsgraph.datasets.dataset import WeightDataset
from wsgraph.datasets.readers.keras_layout import Variable, read_layout
from wsgraph.datasets.readers.networks import SHARD, Columns, Networks, States, write_networks
from wsgraph.datasets.readers.small_cnn import SmallCNN
from wsgraph.errors import WSGraphError

FINAL = 86
NEEDED = ("config.activation", "step", "test_accuracy")


def read_small_cnn_zoo(
    source: str | Path,
    folder: str | Path,
    *,
    steps: Collection[int] | None = (FINAL,),
    order: str | Path | None = None,
    shard_size: int = SHARD,
) -> WeightDataset:
    """Read the Small CNN Zoo of `Unterthiner et al. (2020) <https://arxiv.org/abs/2002.11448>`_.

    - **Where:** ``https://storage.cloud.google.com/gresearch/smallcnnzoo-dataset/{mnist,fashion_mnist,cifar10,
      svhn_cropped}.tar.xz``, described at https://github.com/google-research/google-research, dnn_predict_accuracy.
      CC-BY 4.0. An archive holds ``weights.npy``, ``metrics.csv.gz`` and ``layout.csv``.
    - **What:** 30,000 CNNs of 4,970 parameters a data set, on grey images in [-1, 1], of other hyperparameters each,
      at 9 checkpoints: epochs 0, 1, 2, 3, 20, 40, 60, 80 and 86 (the end). Up to 270,000 rows, 5.4 GB.
    - **Network:** :class:`SmallCNN`; kernels are turned from TensorFlow's layout into PyTorch's. Each activation
      function is a weight space of its own.
    - **Columns:** those of ``metrics.csv.gz`` without the prefix ``config.`` (``activation``, ``learning_rate``,
      ``test_accuracy``, ``step``, ...), ``row`` in the files, ``finite``, and ``split`` where ``order`` is given.
    - **Traps:** only step 86 is what papers use. Checkpoints of one run are no independent networks: to use several,
      split by ``modeldir``. Weights that are not finite are kept, and ``finite`` is False there (others drop them).
      Papers often take the networks of one activation function.

    Args:
        source: The folder with the three files.
        folder: Where the data set goes. A reading that was interrupted goes on.
        steps: The checkpoints to read, or None for all.
        order: A file like ``cifar10_split.csv`` of https://github.com/AllanYangZhou/nfn (experiments/
            predict_gen_data_splits), which is also that of neural-graphs and ScaleGMN: all rows in a fixed random
            order. Of the final checkpoints in this order the second half is ``test``; of the others a fifth is
            ``val``, drawn as in those projects. Other checkpoints have no split. The ``0`` in the first line of the
            published files is the name of their column, no row.
        shard_size: Networks in a shard.

    Raises:
        WSGraphError: A file is missing, cut off, or does not belong to the others.
    """
    source = Path(source)
    weights = _read_weights(source / "weights.npy")
    table = _read_metrics(source / "metrics.csv.gz", len(weights))
    variables = read_layout(source / "layout.csv", weights.shape[1])
    if order is not None:
        table["split"] = _read_split(Path(order), table["step"].to_numpy())
    table = table if steps is None else table[table["step"].isin(list(steps))]
    load = partial(_load, weights, variables)
    parts = [
        Networks(partial(_build, variables, str(name)), torch.zeros(1, 1, 32, 32), rows, load)
        for name, rows in table.groupby("activation", dropna=False)
    ]
    settings = {"reader": "small_cnn_zoo", "split": None if order is None else Path(order).name}
    return write_networks(folder, parts, settings=settings, shard_size=shard_size)


def _load(weights: np.ndarray, variables: list[Variable], rows: pd.DataFrame) -> tuple[States, Columns]:
    values = np.ascontiguousarray(weights[rows["row"].to_numpy()])
    return {variable.name: variable.read(values) for variable in variables}, {}


def _build(variables: list[Variable], activation: str) -> SmallCNN:
    kernels = [variable.shape for variable in variables if len(variable.shape) == 4]
    channels = [kernels[0][2], *(shape[3] for shape in kernels)]
    return SmallCNN(channels, variables[-1].shape[-1], activation, kernels[0][0])


def _read_weights(path: Path) -> np.ndarray:
    """The rows of all networks ``[n, P]``, mapped into memory."""
    try:
        weights: np.ndarray = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise WSGraphError(f"Expected a whole file of numpy.save with all weights at {path}: {error}") from error
    if weights.ndim != 2 or weights.dtype.kind != "f":
        raise WSGraphError(
            f"{path}: expected floating numbers [networks, weights], got {weights.dtype} {weights.shape}."
        )
    return weights


def _read_metrics(path: Path, count: int) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, compression="gzip")
    except (OSError, EOFError, ValueError, ZlibError) as error:
        raise WSGraphError(f"Expected a whole gzipped table with a row for each network at {path}: {error}") from error
    missing = [name for name in NEEDED if name not in table.columns]
    if missing or len(table) != count:
        raise WSGraphError(
            f"{path}: expected {count} rows, as in weights.npy, with the columns {', '.join(NEEDED)}; got "
            f"{len(table)} rows, and {missing or 'no column'} missing."
        )
    table = table.drop(columns=[name for name in table.columns if str(name).startswith("Unnamed")])
    return table.rename(columns=lambda name: name.removeprefix("config.")).assign(row=np.arange(count))


def _read_split(path: Path, steps: np.ndarray) -> list[str | None]:
    """The split of each row, by a file with all rows in a fixed random order."""
    try:
        rows = np.loadtxt(path, dtype=np.int64, ndmin=1)
    except (OSError, ValueError) as error:
        raise WSGraphError(f"Expected a file with one row number a line at {path}: {error}") from error
    rows = rows[1:] if len(rows) == len(steps) + 1 and rows[0] == 0 else rows
    if not np.array_equal(np.sort(rows), np.arange(len(steps))):
        raise WSGraphError(
            f"{path}: expected the numbers from 0 to {len(steps) - 1}, each once, got {len(rows)} others."
        )
    final = rows[steps[rows] == FINAL]
    first = list(range(len(final) // 2))
    random.Random(0).shuffle(first)
    split: list[str | None] = [None] * len(steps)
    for places, name in (
        (first[: int(0.8 * len(first))], "train"),
        (first[int(0.8 * len(first)) :], "val"),
        (range(len(final) // 2, len(final)), "test"),
    ):
        for row in final[list(places)]:
            split[row] = name
    return split
