"""Fit many implicit neural representations of shapes at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from numpy.typing import ArrayLike
from torch import Tensor
from typing_extensions import Unpack

from wsgraph.errors import WSGraphError
from wsgraph.zoo.fitted import FittedINRs
from wsgraph.zoo.images import grid_points
from wsgraph.zoo.signals import FitOptions, fit_signals
from wsgraph.zoo.values import Kind

_ON_GRID = Kind(
    name="distances",
    forms="[N, H, W] or [N, D, H, W]",
    ndims=(3, 4),
    hint="a single shape needs a leading axis: distances[None]; for points on no grid, pass (points, distances)",
    least="shape with at least one distance",
)
_AT_POINTS = Kind(
    name="distances",
    forms="[N, p], for (points, distances)",
    ndims=(2,),
    hint="a single shape needs a leading axis: distances[None]",
    least="shape with at least one distance",
)
_POINTS = Kind(
    name="points",
    forms="[p, 2] or [p, 3], shared by all shapes",
    ndims=(2,),
    hint="stack them along a first axis",
    least="point",
)


def fit_shapes(
    distances: Tensor | ArrayLike | tuple[Tensor | ArrayLike, Tensor | ArrayLike],
    hidden: Sequence[int] = (32, 32),
    omega: float = 30.0,
    steps: int = 500,
    *,
    dtype: torch.dtype = torch.float32,
    **options: Unpack[FitOptions],
) -> FittedINRs:
    """Fit a :class:`Siren` to the signed distances of every shape, as :func:`fit_inrs` does to images.

    Args:
        distances: On a grid from -1 to 1, ``[N, H, W]`` or ``[N, D, H, W]``; or a tuple of points ``[p, 2]`` or
            ``[p, 3]`` and distances ``[N, p]`` there. Any field will do, such as an occupancy.
        hidden: Width of each sine layer.
        omega: The frequency of the sine layers.
        steps: Of the optimiser, each on all points.
        dtype: Of the networks: float32 or float64.
        **options: As for :func:`fit_inrs`, where an image is a shape.

    Returns:
        The fitted networks; their ``image_size`` is that of the grid, or ``()``.

    Raises:
        WSGraphError: As for :func:`fit_inrs`.

    Example:
        >>> import torch
        >>> from wsgraph.zoo import fit_shapes
        >>> points = torch.rand(64, 3) * 2 - 1
        >>> radii = torch.tensor([[0.3], [0.6]])
        >>> fitted = fit_shapes((points, points.norm(dim=1) - radii), hidden=(8,), steps=20)
        >>> fitted.sizes, fitted.render(size=(4, 4, 4)).shape
        ((3, 8, 1), torch.Size([2, 1, 4, 4, 4]))
    """
    if isinstance(distances, tuple):
        points, field = _POINTS.floating(distances[0], dtype), _AT_POINTS.floating(distances[1], dtype)
        size: tuple[int, ...] = ()
        if points.shape[1] not in (2, 3) or len(points) != field.shape[1]:
            raise WSGraphError(
                "Expected points [p, 2] or [p, 3] and distances [N, p], but their shapes are "
                f"{list(points.shape)} and {list(field.shape)}."
            )
    else:
        field = _ON_GRID.floating(distances, dtype)
        size = tuple(field.shape[1:])
        points = grid_points(size, dtype=dtype)
    return fit_signals(points, field.unsqueeze(1), size, hidden, omega, steps, **options)
