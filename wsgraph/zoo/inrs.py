"""Fit many implicit neural representations of images at once."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from wsgraph.errors import WSGraphError
from wsgraph.zoo.batch import networks_at_once
from wsgraph.zoo.checkpoint import Checkpoint
from wsgraph.zoo.fitted import FittedINRs
from wsgraph.zoo.images import image_tensor, pixel_grid
from wsgraph.zoo.initial import draw_states
from wsgraph.zoo.job import Job
from wsgraph.zoo.progress import patient_progress
from wsgraph.zoo.recipe import Recipe
from wsgraph.zoo.siren import check_omega, check_sizes
from wsgraph.zoo.workers import one_core_workers


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
    _check_settings(dtype, lr, steps=steps, fits_per_image=fits_per_image, chunk_size=chunk_size)
    pixels = image_tensor(images, dtype)  # [N, C, H, W]
    height, width = pixels.shape[2:]
    sizes, omega = check_sizes((2, *hidden, pixels.shape[1])), check_omega(omega)
    points = pixel_grid(height, width, dtype=dtype).to(pixels.device if device is None else device)
    image_index = torch.arange(len(pixels)).repeat_interleave(fits_per_image)
    initial = draw_states(len(image_index), sizes, omega, generator=generator, dtype=dtype)
    job = Job(Recipe(points, omega, steps, lr), pixels, image_index, initial)

    chunks = torch.arange(len(image_index)).split(chunk_size or networks_at_once(sizes, points))
    store = _open(checkpoint, generator, job, len(chunks[0]))
    _fit_pending(job, chunks, store, progress)
    states = {name: torch.cat([store.finished[i][name] for i in range(len(chunks))]) for name in (*initial, "psnr")}
    return FittedINRs(states, states.pop("psnr"), image_index, omega, (height, width))


def _fit_pending(job: Job, chunks: Sequence[Tensor], store: Checkpoint, progress: bool) -> None:
    """Fit the chunks that the store lacks, and save each as it is done."""
    pending = {number: chunk for number, chunk in enumerate(chunks) if number not in store.finished}
    work = job.recipe.steps * sum(map(len, pending.values()))
    workers = torch.get_num_threads() if job.recipe.points.device.type == "cpu" else 1
    with patient_progress("Fitting INRs", work, enabled=progress) as advance, one_core_workers(workers) as pool:
        futures = {number: pool.submit(job.fit, chunk, advance) for number, chunk in pending.items()}
        for number, future in futures.items():
            store.save(number, future.result())


def _open(
    folder: str | os.PathLike[str] | None, generator: torch.Generator | None, job: Job, chunk_size: int
) -> Checkpoint:
    """The checkpoint of this very call; without a folder, one in memory."""
    if folder is None:
        return Checkpoint(None, {})
    if generator is None:
        raise WSGraphError(
            "A checkpoint resumes only a call that draws the same initial weights again: pass a generator with a seed, "
            "e.g. generator=torch.Generator().manual_seed(0)."
        )
    return Checkpoint(folder, {**job.identity(), "chunk_size": str(chunk_size)})


def _check_settings(dtype: torch.dtype, lr: float, **counts: int | None) -> None:
    for name, count in counts.items():
        if count is not None and count < 1:
            raise WSGraphError(f"Expected {name} of at least 1, but got {count}.")
    if not (lr > 0 and math.isfinite(lr)):
        raise WSGraphError(f"Expected a learning rate lr that is positive and finite, but got {lr}.")
    if dtype not in (torch.float32, torch.float64):
        raise WSGraphError(f"Expected dtype torch.float32 or torch.float64, but got {dtype}.")
