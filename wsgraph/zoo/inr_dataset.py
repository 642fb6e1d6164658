"""Fit INRs of any number of images straight into a data set."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from wsgraph.trace import trace
from wsgraph.zoo.checkpoint import digest
from wsgraph.zoo.chunks import run_chunks
from wsgraph.zoo.images import image_tensor, pixel_grid
from wsgraph.zoo.job import Job
from wsgraph.zoo.signals import check_counts, plan_fit
from wsgraph.zoo.siren import Siren
from wsgraph.zoo.write_fitted import columns_of, label_tensor

if TYPE_CHECKING:
    from wsgraph.datasets import WeightDataset
    from wsgraph.zoo.fitted import FittedINRs


def fit_inr_dataset(
    images: Tensor | ArrayLike,
    folder: str | os.PathLike[str],
    *,
    labels: Tensor | ArrayLike | None = None,
    hidden: Sequence[int] = (32, 32),
    omega: float = 30.0,
    steps: int = 500,
    lr: float = 5e-3,
    fits_per_image: int = 1,
    seed: int = 0,
    shard_size: int = 256,
    ray: int | None = None,
    device: torch.device | str | None = None,
    progress: bool = True,
) -> WeightDataset:
    """Fit a :class:`Siren` to every image as :func:`fit_inrs` does, and write the networks as they are done.

    Only the shards at hand are in memory. The columns are ``image_index``, ``psnr`` and, if there are any, ``label``.

    Args:
        images: ``[N, H, W]`` or ``[N, C, H, W]``, uint8 or floating.
        folder: Of the data set. The same call, after an interruption at any moment, goes on there.
        labels: ``[N]``, one number for each image.
        hidden: Width of each sine layer.
        omega: The frequency of the sine layers.
        steps: Of the optimiser, each on all pixels.
        lr: The first learning rate.
        fits_per_image: Networks fitted to each image.
        seed: Of all initial weights, together with the number of the shard.
        shard_size: Networks a shard, at most (but at least those of one image): what an interruption may cost.
        ray: Number of Ray tasks at a time; None for threads of this process, one a core.
        device: Where to fit; None for where the images are.
        progress: Whether to show a progress bar, if the work takes more than two seconds.

    Raises:
        WSGraphError: Images or settings out of their range, or a folder with other networks.

    Example:
        >>> import tempfile, torch
        >>> from wsgraph.zoo import fit_inr_dataset
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     networks = fit_inr_dataset(torch.rand(3, 4, 4), folder, hidden=(8,), steps=10, fits_per_image=2)
        ...     networks.table["image_index"].tolist()
        [0, 0, 1, 1, 2, 2]
    """
    from wsgraph.datasets import WeightDataset, WeightWriter  # pandas, only where it is used

    check_counts(steps=steps, fits_per_image=fits_per_image, shard_size=shard_size)
    pixels = image_tensor(images, torch.float32)
    label_of = label_tensor(labels, len(pixels))
    shards = _Shards(pixels, tuple(hidden), omega, steps, lr, fits_per_image, seed, device)
    settings = {
        "kind": "inrs",
        "omega": omega,
        "image_size": list(pixels.shape[2:]),
        "images": digest({"pixels": pixels}),
        "labels": None if label_of is None else digest({"labels": label_of}),
        **{"hidden": list(hidden), "steps": steps, "lr": lr, "fits_per_image": fits_per_image, "seed": seed},
        "shard_size": shard_size,
        "device": shards.device.type,
    }
    writer = WeightWriter(folder, settings=settings)
    parts = torch.arange(len(pixels)).split(max(1, shard_size // fits_per_image))
    pending = {number: (number, part) for number, part in enumerate(parts) if number not in writer.finished}
    space = trace(Siren(2, hidden, pixels.shape[1], omega))
    for number, fitted in run_chunks(shards, pending, "Fitting INRs", device=shards.device, ray=ray, progress=progress):
        weights, integers = space.flatten(fitted.states)
        index = fitted.image_index + parts[number][0]
        writer.write(number, space, weights, columns_of(index, fitted.psnr, label_of), integers)
    return WeightDataset(folder)


@dataclass(frozen=True, eq=False)
class _Shards:
    """What all shards share."""

    pixels: Tensor
    hidden: tuple[int, ...]
    omega: float
    steps: int
    lr: float
    fits_per_image: int
    seed: int
    on: torch.device | str | None

    @property
    def device(self) -> torch.device:
        """Where to fit."""
        return self.pixels.device if self.on is None else torch.device(self.on)

    def work(self, shard: tuple[int, Tensor]) -> int:
        """Steps of all networks of a shard."""
        return len(shard[1]) * self.fits_per_image * self.steps

    def fit(self, shard: tuple[int, Tensor], advance: Callable[[int], None]) -> FittedINRs:
        """Fit networks to the images of a shard, whose initial weights follow from the seed and its number."""
        number, part = shard
        job = self._plan(number, self.pixels[part])
        return job.result([job.fit(chunk, advance) for chunk in job.chunks(None)])

    def _plan(self, number: int, pixels: Tensor) -> Job:
        height, width = pixels.shape[2:]
        draws = torch.randint(2**53, (number + 1,), generator=torch.Generator().manual_seed(self.seed))
        return plan_fit(
            pixel_grid(height, width),
            pixels,
            (height, width),
            self.hidden,
            self.omega,
            self.steps,
            lr=self.lr,
            fits_per_image=self.fits_per_image,
            device=self.device,
            generator=torch.Generator().manual_seed(int(draws[number])),
        )
