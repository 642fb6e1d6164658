"""The CIFAR-10, MNIST and Fashion-MNIST INRs of NFN (Zhou et al. 2023)."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from wsgraph.datasets.dataset import WeightDataset
from wsgraph.datasets.readers.networks import SHARD
from wsgraph.datasets.readers.sirens import write_sirens
from wsgraph.errors import WSGraphError

FOLDER = re.compile(r"randinit_smaller(?:_aug(\d+))?_(\d)s")
NAME = re.compile(r"net(\d+)\.pth")
VAL, TEST = 45_000, 50_000


def read_cifar_inrs(
    source: str | Path,
    folder: str | Path,
    *,
    augmented: bool = False,
    split_points: tuple[int, int] = (VAL, TEST),
    sizes: tuple[int, ...] = (2, 32, 32, 3),
    shard_size: int = SHARD,
) -> WeightDataset:
    """Read the CIFAR-10 INRs of NFN, `Zhou et al. (2023) <https://arxiv.org/abs/2302.14040>`_.

    - **Where:** ``siren_cifar_wts.tar`` at https://drive.google.com/drive/folders/15CdOTPWHqDcS4SwbIdm100rXkTYZPcC5,
      linked by https://github.com/AllanYangZhou/nfn, whose code has the MIT licence; of the data none is stated.
    - **What:** one SIREN [2, 32, 32, 3] for each of 60,000 images of CIFAR-10, in
      ``randinit_smaller_<label>s/net<index>.pth``, and further fits of the same images in
      ``randinit_smaller_aug<k>_<label>s`` (the published recipe takes 20).
    - **Network:** :class:`SineNetwork` with ω = 30 and no offset: it computes the colours, normalised to [-1, 1] (mean
      and deviation 0.5), at points (row, column) in [-1, 1]².
    - **Columns:** ``label``, ``image_index`` (50,000 training images first, then 10,000 test images), ``fit`` (0 for
      the first fit, k + 1 for ``aug<k>``), ``split``, ``path``, ``finite``.
    - **Traps:** further fits of training images belong to training, those of other images to none: they have no split
      here. NFN's own loader looks for ``randinit_smaller_*``, which finds the further fits too, and takes whichever of
      the files of an image the system lists last; ScaleGMN's looks for the first fits alone, as this does. Points are
      (row, column), not (x, y) as in the MNIST INRs of Navon et al.

    Args:
        source: The folder ``siren_cifar_wts``.
        folder: Where the data set goes. A reading that was interrupted goes on.
        augmented: Whether to read the further fits.
        split_points: Image indices at which validation and test networks begin.
        sizes: Widths from input to output; (2, 32, 32, 1) reads ``siren_mnist_wts`` and ``siren_fashion_wts`` of the
            same authors, where ``split_points`` are the same in their code.
        shard_size: Networks in a shard.

    Raises:
        WSGraphError: There is no such network, an image has two networks, or a file is cut off or holds another
            network.
    """
    source = Path(source)
    rows = [row for path in sorted(source.glob("randinit_smaller_*/net*.pth")) if (row := _row(path, split_points))]
    table = pd.DataFrame([row for row in rows if augmented or row["fit"] == 0])
    if not len(table):
        raise WSGraphError(f"Expected randinit_smaller_0s/net0.pth, ... in {source}; there are none.")
    twice = table.duplicated(["image_index", "fit"])
    if twice.any():
        raise WSGraphError(
            f"{source}: expected one network an image, but {table['path'][twice].iloc[0]} is a second one."
        )
    settings = {
        "reader": "cifar_inrs",
        "augmented": augmented,
        "split_points": list(split_points),
        "image_size": [32, 32] if sizes[-1] == 3 else [28, 28],
    }
    return write_sirens(
        folder, source, table.reset_index(drop=True), sizes=sizes, offset=0.0, settings=settings, shard_size=shard_size
    )


def _row(path: Path, split_points: tuple[int, int]) -> dict[str, object] | None:
    where, which = FOLDER.fullmatch(path.parent.name), NAME.fullmatch(path.name)
    if where is None or which is None:
        return None
    index, fit = int(which[1]), 0 if where[1] is None else int(where[1]) + 1
    split = "train" if index < split_points[0] else "val" if index < split_points[1] else "test"
    return {
        "label": int(where[2]),
        "image_index": index,
        "fit": fit,
        "split": split if fit == 0 or split == "train" else None,
        "path": f"{path.parent.name}/{path.name}",
    }
