"""The MNIST INRs of Navon et al. (2023)."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from wsgraph.datasets.dataset import WeightDataset
from wsgraph.datasets.readers.networks import SHARD
from wsgraph.datasets.readers.sirens import write_sirens
from wsgraph.datasets.readers.splits import check_present, last_parts, read_splits
from wsgraph.errors import WSGraphError

IMAGE = re.compile(r"mnist_png_(training|testing)_(\d)_(\d+)")


def read_mnist_inrs(
    source: str | Path, folder: str | Path, *, splits: str | Path | None = None, shard_size: int = SHARD
) -> WeightDataset:
    """Read the MNIST INRs of `Navon et al. (2023) <https://arxiv.org/abs/2301.12780>`_.

    - **Where:** ``mnist-inrs.zip`` at https://www.dropbox.com/sh/56pakaxe58z29mq/AABtWNkRYroLYe_cE3c90DXVa, linked by
      https://github.com/AvivNavon/DWSNets, whose code has the MIT licence; of the data none is stated.
    - **What:** one SIREN [2, 32, 32, 1] an image of MNIST, in ``mnist_png_training_<label>_<image>/checkpoints/*.pth``
      (60,000 training, 10,000 test images): the number behind ``training`` is the label, that behind it the image.
    - **Network:** :class:`SineNetwork` with ω = 30 and an offset of 0.5: it computes the grey value in [0, 1] at
      points (x, y) in [-1, 1]², x from left to right and y from top to bottom.
    - **Columns:** ``label``, ``image_index``, ``source`` (``training`` or ``testing``), ``split``, ``path``,
      ``finite``.
    - **Traps:** the offset; without it all images are too dark by a half. Biases began at zero. The published code
      draws its validation networks without a seed, so numbers of papers are of other splits: pass the file of one to
      have it.

    Args:
        source: The folder with the folders ``mnist_png_*``, or one that holds that folder.
        folder: Where the data set goes. A reading that was interrupted goes on.
        splits: A file like ``mnist_splits.json`` of DWSNets and neural-graphs: ``{"train": {"path": [...]}, ...}``.
            Without it the split is ``train`` or ``test``, by the source; with it a network outside it has none.
        shard_size: Networks in a shard.

    Raises:
        WSGraphError: There is no such network, or a file is cut off or holds another network.
    """
    source = Path(source)
    rows = [_row(source, path) for path in _files(source)]
    if not rows:
        raise WSGraphError(
            f"Expected folders such as mnist_png_training_2_23089, with checkpoints/*.pth, in {source}; there are none."
        )
    table = pd.DataFrame(rows)
    if splits is not None:
        named = [last_parts(path, 3) for path in table["path"]]
        found = read_splits(splits, 3)
        check_present(found, named, source)
        table["split"] = [found.get(name) for name in named]
    settings = {"reader": "mnist_inrs", "image_size": [28, 28], "splits": None if splits is None else Path(splits).name}
    return write_sirens(
        folder, source, table, sizes=(2, 32, 32, 1), offset=0.5, settings=settings, shard_size=shard_size
    )


def _files(source: Path) -> list[Path]:
    folders = [path for pattern in ("mnist_png_*", "*/mnist_png_*") for path in source.glob(pattern)]
    return sorted(path for folder in folders if folder.parent.name != "__MACOSX" for path in folder.rglob("*.pth"))


def _row(source: Path, path: Path) -> dict[str, object]:
    match = next((match for name in path.parts[::-1] if (match := IMAGE.fullmatch(name))), None)
    if match is None:
        raise WSGraphError(f"{path}: expected a folder named mnist_png_training_<label>_<image>, or testing.")
    kind, label, image = match.groups()
    return {
        "label": int(label),
        "image_index": int(image),
        "source": kind,
        "split": "train" if kind == "training" else "test",
        "path": path.relative_to(source).as_posix(),
    }
