"""Fitted SIRENs as rows of a data set."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from wsgraph.errors import WSGraphError
from wsgraph.trace import trace
from wsgraph.zoo.checkpoint import digest

if TYPE_CHECKING:
    from wsgraph.datasets import WeightDataset
    from wsgraph.zoo.fitted import FittedINRs


def write_fitted(
    fitted: FittedINRs, folder: str | os.PathLike[str], labels: Tensor | ArrayLike | None, shard_size: int
) -> WeightDataset:
    """Write all networks, ``shard_size`` at a time; see :meth:`FittedINRs.to_dataset`."""
    from wsgraph.datasets import WeightDataset, WeightWriter  # pandas, only where it is used

    if shard_size < 1:
        raise WSGraphError(f"Expected shard_size of at least 1, but got {shard_size}.")
    columns = columns_of(fitted.image_index, fitted.psnr, label_tensor(labels, int(fitted.image_index.max()) + 1))
    settings = {
        "kind": "inrs",
        "omega": fitted.omega,
        "image_size": list(fitted.image_size),
        "weights": digest(fitted.states),
        "columns": digest(columns),
        "shard_size": shard_size,
    }
    writer = WeightWriter(folder, settings=settings)
    space = trace(fitted.model())
    for number, rows in enumerate(torch.arange(len(fitted)).split(shard_size)):
        if number not in writer.finished:
            weights, integers = space.flatten({name: stack[rows] for name, stack in fitted.states.items()})
            writer.write(number, space, weights, {name: column[rows] for name, column in columns.items()}, integers)
    return WeightDataset(folder)


def columns_of(image_index: Tensor, psnr: Tensor, labels: Tensor | None) -> dict[str, Tensor]:
    """The table of fitted networks."""
    columns = {"image_index": image_index, "psnr": psnr}
    return columns if labels is None else {**columns, "label": labels[image_index]}


def label_tensor(labels: Tensor | ArrayLike | None, count: int) -> Tensor | None:
    """One number for each image, or nothing.

    Raises:
        WSGraphError: There are too few.
    """
    if labels is None:
        return None
    tensor = torch.as_tensor(labels).cpu()
    if tensor.ndim != 1 or len(tensor) < count:
        raise WSGraphError(f"Expected one label for each of {count} images, but got labels {list(tensor.shape)}.")
    return tensor
