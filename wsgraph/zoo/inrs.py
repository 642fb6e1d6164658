"""Fit many implicit neural representations of images at once."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from wsgraph.zoo.fitted import FittedINRs
from wsgraph.zoo.images import image_tensor, pixel_grid
from wsgraph.zoo.signals import fit_signals


def fit_inrs(
    images: Tensor | ArrayLike,
    hidden: Sequence[int] = (32, 32),
    omega: float = 30.0,
    steps: int = 500,
    *,
    lr: float = 5e-3,
    fits_per_image: int = 1,
    generator: torch.Generator | None = None,
    chunk_size: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool = True,
    ray: int | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> FittedINRs:
    r"""Fit a :class:`Siren` to every image, all from independent initial weights, many at once.

    Network i minimises its own mean squared error over all pixels and channels,

    .. math:: \mathcal{L}_i = \frac{1}{C H W} \sum_{c, p} (f_i(x_p)_c - y_{i, c, p})^2,

    with Adam (β = 0.9, 0.999) and a learning rate that falls from ``lr`` to 0 along half a cosine, on the full grid
    of :func:`pixel_grid`. Networks share nothing but the work: the result for each is that of fitting it alone, up to
    floating-point rounding.

    Args:
        images: ``[N, H, W]`` or ``[N, C, H, W]``; uint8, which is divided by 255, or floating, which is fitted as it
            is: a range near [0, 1] or [-1, 1] suits the initial weights. Never modified.
        hidden: Width of each sine layer.
        omega: The frequency of the sine layers.
        steps: Of the optimiser, each on all pixels.
        lr: The first learning rate.
        fits_per_image: Networks fitted to each image; networks of one image are neighbours in the result.
        generator: Source of all initial weights, drawn before the first step; None for torch's global one.
        chunk_size: Networks fitted at a time; None for as many as run fast in bounded memory.
        checkpoint: Folder that keeps finished chunks. The same call, after an interruption at any moment, resumes
            there and returns bit for bit what it would have returned, on the same machine and with a generator in
            the same state. The folder may be deleted when the call is done.
        progress: Whether to show a progress bar, if the work takes more than two seconds.
        ray: Number of Ray tasks at a time; None for threads of this process, one a core.
        dtype: Of the networks: float32 or float64.
        device: Where to fit; None for where the images are.

    Returns:
        The fitted networks, N · ``fits_per_image`` of them, on the CPU.

    Raises:
        WSGraphError: Images of another shape or dtype, empty or not finite; a setting out of its range; a checkpoint
            of another call, or without a generator.

    Example:
        >>> import torch
        >>> from wsgraph.zoo import fit_inrs
        >>> images = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
        >>> fitted = fit_inrs(images, steps=100, fits_per_image=2, generator=torch.Generator().manual_seed(1))
        >>> len(fitted), fitted.image_index.tolist(), fitted.render(0).shape
        (6, [0, 0, 1, 1, 2, 2], torch.Size([1, 1, 8, 8]))
        >>> bool(fitted.psnr.min() > 40)
        True
    """
    pixels = image_tensor(images, dtype)  # [N, C, H, W]
    height, width = pixels.shape[2:]
    return fit_signals(
        pixel_grid(height, width, dtype=dtype),
        pixels,
        (height, width),
        hidden,
        omega,
        steps,
        lr=lr,
        fits_per_image=fits_per_image,
        generator=generator,
        chunk_size=chunk_size,
        checkpoint=checkpoint,
        progress=progress,
        ray=ray,
        device=device,
    )
