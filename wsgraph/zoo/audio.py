"""Fit many implicit neural representations of sounds at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from numpy.typing import ArrayLike
from torch import Tensor
from typing_extensions import Unpack

from wsgraph.zoo.fitted import FittedINRs
from wsgraph.zoo.images import grid_points
from wsgraph.zoo.signals import FitOptions, fit_signals
from wsgraph.zoo.values import Kind

_WAVEFORMS = Kind(
    name="waveforms",
    forms="[N, T] or [N, C, T]",
    ndims=(2, 3),
    hint="a single waveform needs a leading axis: waveform[None]",
    least="waveform with at least one sample",
    whole=torch.int16,
    peak=2**15,
)


def fit_audio(
    waveforms: Tensor | ArrayLike,
    hidden: Sequence[int] = (32, 32),
    omega: float = 30.0,
    steps: int = 500,
    *,
    dtype: torch.dtype = torch.float32,
    **options: Unpack[FitOptions],
) -> FittedINRs:
    """Fit a :class:`Siren` of one coordinate, the time, to every waveform, as :func:`fit_inrs` does to images.

    The samples lie at even times from -1 to 1. A network starts with up to ω / π periods in that time: longer or higher
    sounds need a larger ``omega``.

    Args:
        waveforms: ``[N, T]`` or ``[N, C, T]``; int16, which is divided by 2¹⁵, or floating. Never modified.
        hidden: Width of each sine layer.
        omega: The frequency of the sine layers.
        steps: Of the optimiser, each on all samples.
        dtype: Of the networks: float32 or float64.
        **options: As for :func:`fit_inrs`, where an image is a waveform.

    Returns:
        The fitted networks; their ``image_size`` is ``(T,)``.

    Raises:
        WSGraphError: As for :func:`fit_inrs`.

    Example:
        >>> import torch
        >>> from wsgraph.zoo import fit_audio
        >>> tones = torch.sin(torch.linspace(0, 20, 100) * torch.tensor([[1.0], [2.0]]))
        >>> fitted = fit_audio(tones, hidden=(16, 16), steps=50, generator=torch.Generator().manual_seed(0))
        >>> fitted.sizes, fitted.render(size=(200,)).shape
        ((1, 16, 16, 1), torch.Size([2, 1, 200]))
    """
    samples = _WAVEFORMS.floating(waveforms, dtype)
    samples = samples.unsqueeze(1) if samples.ndim == 2 else samples  # [N, C, T]
    size = (samples.shape[-1],)
    return fit_signals(grid_points(size, dtype=dtype), samples, size, hidden, omega, steps, **options)
