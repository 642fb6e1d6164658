"""Where the weights of a Keras network lie in a row of numbers, and how they become a PyTorch state dict."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from wsgraph.errors import WSGraphError

COLUMNS = ["varname", "start_idx", "end_idx", "shape"]


@dataclass(frozen=True)
class Variable:
    """One variable of Keras.

    Attributes:
        name: The tensor in the state dict: ``"layers.0.weight"``.
        start: Where its numbers begin.
        shape: In Keras: a convolution is ``[height, width, in, out]``, a dense layer ``[in, out]``.
    """

    name: str
    start: int
    shape: tuple[int, ...]

    def read(self, rows: np.ndarray) -> Tensor:
        """The tensor ``[n, *PyTorch shape]`` from the rows ``[n, P]`` of n networks."""
        values = torch.from_numpy(rows[:, self.start : self.start + prod(self.shape)]).reshape(-1, *self.shape)
        if len(self.shape) == 4:
            values = values.permute(0, 4, 3, 1, 2)
        return (values.transpose(1, 2) if len(self.shape) == 2 else values).contiguous()


def read_layout(path: Path, width: int) -> list[Variable]:
    """The variables in ``layout.csv``, whose layers are numbered in the order in which they come.

    Args:
        path: The file: columns ``varname`` (``sequential/conv2d_1/kernel:0``), ``start_idx``, ``end_idx``, ``shape``.
        width: P, the numbers in a row.

    Raises:
        WSGraphError: The file is something else, or its variables do not fill a row.
    """
    if not path.is_file():
        raise WSGraphError(f"Expected the layout of the weights in {path}, but there is no such file.")
    table = pd.read_csv(path)
    if not set(COLUMNS) <= set(table.columns):
        raise WSGraphError(f"Expected the columns {COLUMNS} in {path}, got {list(table.columns)}.")
    layers: dict[str, int] = {}
    variables, filled = [], 0
    for name, start, end, text in table[COLUMNS].itertuples(index=False):
        layer, _, kind = str(name).rpartition("/")
        shape = tuple(int(number) for number in re.findall(r"\d+", str(text)))
        tensor = {"kernel:0": "weight", "bias:0": "bias"}.get(kind)
        if tensor is None or start != filled or end - start != prod(shape):
            raise WSGraphError(
                f"{path}: expected a kernel:0 or bias:0 that begins at {filled} and is as long as its shape says, got "
                f"{name!r} from {start} to {end} of shape {text}."
            )
        variables.append(Variable(f"layers.{layers.setdefault(layer, len(layers))}.{tensor}", int(start), shape))
        filled = int(end)
    if filled != width:
        raise WSGraphError(f"{path} lays out {filled} numbers, but a row of the weights has {width}.")
    return variables
