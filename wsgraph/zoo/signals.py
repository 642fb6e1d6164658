"""Fit SIRENs to signals of any kind: the one mechanism behind images, waveforms and shapes."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TypedDict

import torch
from torch import Tensor

from wsgraph.errors import WSGraphError
from wsgraph.zoo.checkpoint import Checkpoint
from wsgraph.zoo.chunks import run_chunks
from wsgraph.zoo.fitted import FittedINRs
from wsgraph.zoo.initial import draw_states
from wsgraph.zoo.job import Job
from wsgraph.zoo.recipe import Recipe
from wsgraph.zoo.siren import check_omega, check_sizes


class FitOptions(TypedDict, total=False):
    """The keyword arguments that all fits share, as :func:`wsgraph.zoo.fit_inrs` explains them."""

    lr: float
    fits_per_image: int
    generator: torch.Generator | None
    chunk_size: int | None
    checkpoint: str | os.PathLike[str] | None
    progress: bool
    ray: int | None
    device: torch.device | str | None


def plan_fit(
    points: Tensor,
    signals: Tensor,
    size: tuple[int, ...],
    hidden: Sequence[int],
    omega: float,
    steps: int,
    *,
    lr: float = 5e-3,
    fits_per_image: int = 1,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
) -> Job:
    """Draw the initial weights of a fit.

    Args:
        points: ``[p, d]``.
        signals: ``[N, C, ...]``, of p values a channel, of the dtype of the points.
        size: Of the grid that the points form, or ().
        hidden: Width of each sine layer.
        omega: The frequency of the sine layers.
        steps: Of the optimiser.
        lr: The first learning rate.
        fits_per_image: Networks for each signal.
        generator: Of the initial weights.
        device: Where to fit; None for where the signals are.
    """
    check_counts(steps=steps, fits_per_image=fits_per_image)
    _check_numbers(signals.dtype, lr)
    sizes, omega = check_sizes((points.shape[1], *hidden, signals.shape[1])), check_omega(omega)
    points = points.to(signals.device if device is None else device)
    image_index = torch.arange(len(signals)).repeat_interleave(fits_per_image)
    initial = draw_states(len(image_index), sizes, omega, generator=generator, dtype=signals.dtype)
    return Job(Recipe(points, omega, steps, lr), signals, image_index, initial, size)


def fit_signals(
    points: Tensor,
    signals: Tensor,
    size: tuple[int, ...],
    hidden: Sequence[int],
    omega: float,
    steps: int,
    *,
    lr: float = 5e-3,
    fits_per_image: int = 1,
    generator: torch.Generator | None = None,
    chunk_size: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool = True,
    ray: int | None = None,
    device: torch.device | str | None = None,
) -> FittedINRs:
    """Plan a fit, and do what the checkpoint lacks of it; arguments as for :func:`plan_fit` and ``fit_inrs``."""
    check_counts(chunk_size=chunk_size)
    job = plan_fit(
        points,
        signals,
        size,
        hidden,
        omega,
        steps,
        lr=lr,
        fits_per_image=fits_per_image,
        generator=generator,
        device=device,
    )
    chunks = job.chunks(chunk_size)
    store = _open(checkpoint, generator, job, len(chunks[0]))
    pending = {number: chunk for number, chunk in enumerate(chunks) if number not in store.finished}
    place = job.recipe.points.device
    for number, part in run_chunks(job, pending, "Fitting INRs", device=place, ray=ray, progress=progress):
        store.save(number, part)
    return job.result([store.finished[number] for number in range(len(chunks))])


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


def check_counts(**counts: int | None) -> None:
    """Whether all counts are positive, or not given.

    Raises:
        WSGraphError: One is not.
    """
    for name, count in counts.items():
        if count is not None and count < 1:
            raise WSGraphError(f"Expected {name} of at least 1, but got {count}.")


def _check_numbers(dtype: torch.dtype, lr: float) -> None:
    if not (lr > 0 and math.isfinite(lr)):
        raise WSGraphError(f"Expected a learning rate lr that is positive and finite, but got {lr}.")
    if dtype not in (torch.float32, torch.float64):
        raise WSGraphError(f"Expected dtype torch.float32 or torch.float64, but got {dtype}.")
