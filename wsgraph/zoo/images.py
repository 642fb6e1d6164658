"""Images as targets of a fit: what is accepted, where the pixels lie, and how a fit is judged."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from wsgraph.errors import WSGraphError


def pixel_grid(height: int, width: int, *, dtype: torch.dtype | None = None) -> Tensor:
    """The coordinates (row, column) of all pixels, row by row: ``[height · width, 2]``, from -1 to 1 on both axes.

    Example:
        >>> from wsgraph.zoo import pixel_grid
        >>> pixel_grid(2, 3).tolist()
        [[-1.0, -1.0], [-1.0, 0.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 0.0], [1.0, 1.0]]
    """
    rows, columns = (torch.linspace(-1, 1, size, dtype=dtype) for size in (height, width))
    return torch.cartesian_prod(rows, columns)


def image_tensor(images: Tensor | ArrayLike, dtype: torch.dtype) -> Tensor:
    """Images of any accepted form as ``[N, C, H, W]`` of a floating dtype; uint8 is divided by 255.

    Raises:
        WSGraphError: They are not ``[N, H, W]`` or ``[N, C, H, W]``, not uint8 or floating, empty, or not finite.
    """
    pixels = images.detach() if isinstance(images, Tensor) else _from_array(images)
    if pixels.ndim not in (3, 4):
        raise WSGraphError(
            f"Expected images [N, H, W] or [N, C, H, W], but their shape is {list(pixels.shape)}; "
            "a single image needs a leading axis: image[None]."
        )
    if pixels.numel() == 0:
        raise WSGraphError(
            f"Expected at least one image with at least one pixel, but the shape is {list(pixels.shape)}."
        )
    if pixels.dtype == torch.uint8:
        return _with_channels(pixels.to(dtype) / 255)
    if not pixels.is_floating_point():
        raise WSGraphError(f"Expected uint8 or floating images, but they are {pixels.dtype}; convert them to either.")
    if not pixels.isfinite().all():
        bad = (~pixels.isfinite()).nonzero()[0].tolist()
        raise WSGraphError(f"Expected finite images, but the value at index {bad} is {pixels[tuple(bad)].item()}.")
    return _with_channels(pixels.to(dtype))


def psnr(images: Tensor, targets: Tensor) -> Tensor:
    r"""The peak signal-to-noise ratio in dB, :math:`-10 \log_{10} \mathrm{MSE}`, with a peak of 1.

    Args:
        images: ``[n, ...]``.
        targets: ``[n, ...]``.

    Returns:
        ``[n]``; infinite where an image is exact.
    """
    return -10 * (images - targets).square().flatten(1).mean(1).log10()


def _from_array(images: ArrayLike) -> Tensor:
    try:
        return torch.from_numpy(np.array(images))
    except (TypeError, ValueError) as error:
        raise WSGraphError(f"Expected images as a tensor or a regular array of numbers: {error}") from error


def _with_channels(pixels: Tensor) -> Tensor:
    return pixels.unsqueeze(1) if pixels.ndim == 3 else pixels
