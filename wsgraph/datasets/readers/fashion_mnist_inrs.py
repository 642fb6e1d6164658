"""The Fashion-MNIST INRs of the authors of DWSNets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

from wsgraph.datasets.dataset import WeightDataset
from wsgraph.datasets.readers.networks import SHARD, States
from wsgraph.datasets.readers.sirens import write_sirens
from wsgraph.datasets.readers.splits import check_present, last_parts, read_splits
from wsgraph.errors import WSGraphError

NAME = re.compile(r"model_(\d+)\.pth")


def read_fashion_mnist_inrs(
    source: str | Path, folder: str | Path, *, splits: str | Path | None = None, shard_size: int = SHARD
) -> WeightDataset:
    """Read the Fashion-MNIST INRs that lie beside those of `Navon et al. (2023) <https://arxiv.org/abs/2301.12780>`_.

    - **Where:** ``fmnist_inrs.zip`` at https://www.dropbox.com/sh/56pakaxe58z29mq/AABtWNkRYroLYe_cE3c90DXVa; no
      licence is stated.
    - **What:** one SIREN [2, 32, 32, 1] an image of Fashion-MNIST, in ``train/model_<image>.pth`` and
      ``test/model_<image>.pth``, the label inside the file, and ``splits.json``: 55,000 train, 5,000 val, 10,000 test.
    - **Network:** as of :func:`read_mnist_inrs`, the offset of 0.5 included: the loaders of neural-graphs and ScaleGMN
      use one network for both. Nobody states it for these files: look at an image before you rely on it.
    - **Columns:** ``label``, ``image_index``, ``source`` (``train`` or ``test``), ``split``, ``path``, ``finite``.
    - **Traps:** validation networks lie under ``train/``; only ``splits.json`` tells them from training networks.

    Args:
        source: The folder with ``train`` and ``test``.
        folder: Where the data set goes. A reading that was interrupted goes on.
        splits: The file of splits, if it is not ``splits.json`` in the source.
        shard_size: Networks in a shard.

    Raises:
        WSGraphError: There is no such network, or a file is cut off or holds another network.
    """
    source = Path(source)
    files = sorted(path for path in source.glob("*/model_*.pth") if NAME.fullmatch(path.name))
    if not files:
        raise WSGraphError(f"Expected train/model_0.pth, test/model_0.pth, ... in {source}; there are none.")
    found = read_splits(source / "splits.json" if splits is None else splits, 2)
    named = [last_parts(path, 2) for path in files]
    check_present(found, named, source)
    table = pd.DataFrame({"path": named, "split": [found.get(name) for name in named]})
    table["source"] = [path.parent.name for path in files]
    table["image_index"] = [int(path.stem.removeprefix("model_")) for path in files]
    settings = {"reader": "fashion_mnist_inrs", "image_size": [28, 28]}
    return write_sirens(
        folder,
        source,
        table,
        sizes=(2, 32, 32, 1),
        offset=0.5,
        settings=settings,
        shard_size=shard_size,
        columns=_label,
    )


def _label(path: Path, state: States) -> dict[str, Any]:
    label: Any = state.get("label")
    try:
        return {"label": int(label)}
    except (TypeError, ValueError) as error:
        raise WSGraphError(f"{path}: expected the class of the image under 'label', got {label!r}.") from error
