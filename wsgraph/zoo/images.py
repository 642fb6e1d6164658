"""Images as targets of a fit: what is accepted, where the pixels lie, and how a fit is judged."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from wsgraph.zoo.values import Kind

_IMAGES = Kind(
    name="images",
    forms="[N, H, W] or [N, C, H, W]",
    ndims=(3, 4),
    hint="a single image needs a leading axis: image[None]",
    least="image with at least one pixel",
    whole=torch.uint8,
    peak=255,
)


def pixel_grid(height: int, width: int, *, dtype: torch.dtype | None = None) -> Tensor:
    """The coordinates (row, column) of all pixels, row by row: ``[height · width, 2]``, from -1 to 1 on both axes.

    Example:
        >>> from wsgraph.zoo import pixel_grid
        >>> pixel_grid(2, 3).tolist()
        [[-1.0, -1.0], [-1.0, 0.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 0.0], [1.0, 1.0]]
    """
    return grid_points((height, width), dtype=dtype)


def grid_points(size: Sequence[int], *, dtype: torch.dtype | None = None) -> Tensor:
    """The coordinates ``[p, d]`` of all places of a grid of d axes, the last axis first to move; from -1 to 1."""
    axes = [torch.linspace(-1, 1, length, dtype=dtype) for length in size]
    return torch.cartesian_prod(*axes).view(-1, len(axes))


def image_tensor(images: Tensor | ArrayLike, dtype: torch.dtype) -> Tensor:
    """Images of any accepted form as ``[N, C, H, W]`` of a floating dtype; uint8 is divided by 255.

    Raises:
        WSGraphError: They are not ``[N, H, W]`` or ``[N, C, H, W]``, not uint8 or floating, empty, or not finite.
    """
    pixels = _IMAGES.floating(images, dtype)
    return pixels.unsqueeze(1) if pixels.ndim == 3 else pixels


def psnr(images: Tensor, targets: Tensor) -> Tensor:
    r"""The peak signal-to-noise ratio in dB, :math:`-10 \log_{10} \mathrm{MSE}`, with a peak of 1.

    Args:
        images: ``[n, ...]``.
        targets: ``[n, ...]``.

    Returns:
        ``[n]``; infinite where an image is exact.
    """
    return -10 * (images - targets).square().flatten(1).mean(1).log10()
