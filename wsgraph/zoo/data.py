"""What classifiers are trained and tested on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wsgraph.errors import WSGraphError
from wsgraph.zoo.checkpoint import digest


@dataclass(frozen=True, eq=False)
class ClassData:
    """Inputs and classes.

    Attributes:
        x: ``[N, ...]``, floating.
        y: ``[N]``, int64.
        x_test: ``[M, ...]``, or None.
        y_test: ``[M]``, or None.
    """

    x: Tensor
    y: Tensor
    x_test: Tensor | None = None
    y_test: Tensor | None = None

    @classmethod
    def of(cls, tensors: Sequence[Tensor], device: torch.device | str | None = None) -> ClassData:
        """Inputs and classes to train on, and perhaps to test on, checked.

        Raises:
            WSGraphError: Neither two nor four tensors, other dtypes, or inputs and classes that do not fit together.
        """
        if len(tensors) not in (2, 4):
            raise WSGraphError(f"Expected data (x, y) or (x, y, x_test, y_test), but got {len(tensors)} tensors.")
        for x, y in zip(tensors[::2], tensors[1::2], strict=True):
            if not x.is_floating_point() or x.shape[1:] != tensors[0].shape[1:] or x.dtype != tensors[0].dtype:
                raise WSGraphError(
                    f"Expected floating inputs of one dtype and shape, but got {x.dtype} {list(x.shape)}; "
                    "for bytes, take x.float() / 255."
                )
            if y.dtype != torch.int64 or y.shape != x.shape[:1] or len(y) == 0:
                raise WSGraphError(
                    f"Expected one class (int64) for each of the {len(x)} inputs, at least one, but got {y.dtype} "
                    f"{list(y.shape)}."
                )
        device = tensors[0].device if device is None else device
        return cls(*(tensor.detach().to(device) for tensor in tensors))

    def digest(self) -> str:
        """The SHA-256 of all tensors."""
        return digest({name: tensor for name, tensor in vars(self).items() if tensor is not None})
