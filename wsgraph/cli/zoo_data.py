"""Images and classes for a zoo: those that come with scikit-learn, or a file."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from wsgraph.cli.console import CommandError

NAMES = (("x_train", "y_train"), ("images", "labels"), ("x", "y"))
"""What arrays of images and classes may be called in a file, the first ones that are there."""


class Images(NamedTuple):
    """Images ``[N, H, W]`` or ``[N, C, H, W]``, float32, and their classes ``[N]``; those to test on are the last."""

    pixels: Tensor
    labels: Tensor | None
    num_test: int

    def first(self, count: int) -> Images:
        """The first images."""
        return Images(self.pixels[:count], None if self.labels is None else self.labels[:count], self.num_test)


def load_images(name: str) -> Images:
    """The digits of scikit-learn by the name ``"digits"``, or the arrays of a ``.npz`` file.

    Raises:
        CommandError: There is no such file, or nothing in it that is an image.
    """
    if name == "digits":
        digits = load_digits()
        return Images(torch.tensor(digits.images / 16, dtype=torch.float32), torch.tensor(digits.target), 360)
    path = Path(name)
    if not path.is_file() or path.suffix != ".npz":
        raise CommandError(f"Expected --data digits, or a .npz file that is there, got {name!r}.")
    try:
        with np.load(path, allow_pickle=False) as file:
            return _from_arrays(dict(file), path)
    except (OSError, ValueError) as error:
        if isinstance(error, CommandError):
            raise
        raise CommandError(f"{path} cannot be read as arrays of numbers: {error}") from error


def _from_arrays(arrays: dict[str, np.ndarray], path: Path) -> Images:
    found = [pair for pair in NAMES if pair[0] in arrays]
    if not found:
        names = ", ".join(arrays) or "nothing"
        raise CommandError(f"Expected arrays {' or '.join('/'.join(pair) for pair in NAMES)} in {path}, found {names}.")
    x, y = found[0]
    with_test = x == "x_train" and "x_test" in arrays
    pixels = [_pixels(arrays[key], path) for key in ([x, "x_test"] if with_test else [x])]
    keys = [y, "y_test"] if with_test else [y]
    labels = torch.cat([_labels(arrays[key]) for key in keys]) if all(key in arrays for key in keys) else None
    total = sum(map(len, pixels))
    if labels is not None and len(labels) != total:
        raise CommandError(f"Expected as many labels as images in {path}, found {len(labels)} and {total}.")
    return Images(torch.cat(pixels), labels, len(pixels[1]) if with_test else total // 5)


def _pixels(array: np.ndarray, path: Path) -> Tensor:
    if array.ndim not in (3, 4) or array.dtype.kind not in "uf" or (array.dtype.kind == "u" and array.itemsize > 1):
        raise CommandError(
            f"Expected images [N, H, W] or [N, C, H, W] of uint8 or floating numbers in {path}, found {array.dtype} "
            f"{list(array.shape)}."
        )
    pixels = torch.from_numpy(array)
    return pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels.float()


def _labels(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.astype(np.int64)).reshape(-1)


def split_classes(images: Images, name: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images ``[N, C, H, W]`` and classes to train on, and those to test on.

    Raises:
        CommandError: There are no labels.
    """
    if images.labels is None:
        raise CommandError(f"Expected labels (y, y_train or labels) beside the images in {name}, found none.")
    pixels = images.pixels.unsqueeze(1) if images.pixels.ndim == 3 else images.pixels
    end = len(pixels) - images.num_test
    return pixels[:end], images.labels[:end], pixels[end:], images.labels[end:]
