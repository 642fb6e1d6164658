"""What affine changes of inputs and outputs share: the ranges, and the draw."""

from __future__ import annotations

from math import inf, isfinite

import torch
from torch import Tensor

from wsgraph.errors import SpaceError
from wsgraph.space.draws import device_of, uniform
from wsgraph.transforms.weight_transform import WeightTransform, check_width


class AffineTransform(WeightTransform):
    r"""Random affine maps v -> A (v - c) + c + t, one for each network, where A = R · S · D · P.

    R is a rotation, S a shear, D a diagonal of scales and flips, P a permutation, c the centre.

    Args:
        rotation: Angles are uniform in [-rotation, rotation], in degrees, in every plane of two units.
        scale: Factors of all units together are log-uniform in this range.
        shear: Entries of the shear above the diagonal are uniform in [-shear, shear].
        shift: Entries of t are uniform in [-shift, shift].
        flip: Whether each unit may change its sign, with probability 1/2.
        permute: Whether to permute the units.
        center: The point (c, c, ...) that stays where only A is drawn.
        layer: Name of the input or output to change, where the network has several.
        generator: Source of randomness; the global one if not given.

    Raises:
        SpaceError: A range is none.
    """

    def __init__(
        self,
        *,
        rotation: float = 0.0,
        scale: tuple[float, float] = (1.0, 1.0),
        shear: float = 0.0,
        shift: float = 0.0,
        flip: bool = False,
        permute: bool = False,
        center: float = 0.0,
        layer: str | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        if not isinstance(scale, tuple | list) or len(scale) != 2 or not 0 < scale[0] <= scale[1] < inf:
            raise SpaceError(f"scale must be a range (low, high) of positive numbers, got {scale}.")
        if not isfinite(center):
            raise SpaceError(f"center must be a finite number, got {center}.")
        self.rotation = check_width("rotation", rotation)
        self.scale = scale
        self.shear = check_width("shear", shear)
        self.shift = check_width("shift", shift)
        self.flip = flip
        self.permute = permute
        self.center = center
        self.layer = layer
        self.generator = generator

    def draw(self, count: int, dim: int) -> tuple[Tensor, Tensor]:
        """Random maps of ``dim`` units: A ``[count, dim, dim]`` and A (0 - c) + c + t ``[count, dim]``, float64."""

        def symmetric(*shape: int) -> Tensor:
            return 2 * uniform(count, *shape, generator=self.generator) - 1

        eye = torch.eye(dim, dtype=torch.float64, device=device_of(self.generator))
        matrix = eye.repeat(count, 1, 1)
        for i, j in torch.combinations(torch.arange(dim)).tolist() if self.rotation else ():
            angle = torch.deg2rad(symmetric() * self.rotation)
            plane = eye.repeat(count, 1, 1)
            plane[:, i, i] = plane[:, j, j] = angle.cos()
            plane[:, i, j], plane[:, j, i] = -angle.sin(), angle.sin()
            matrix = matrix @ plane
        if self.shear:
            matrix = matrix @ (eye + torch.triu(symmetric(dim, dim) * self.shear, 1))
        low, high = torch.tensor(self.scale, dtype=torch.float64).log().tolist()
        matrix = matrix * torch.exp(low + (high - low) * (symmetric() + 1) / 2)[:, None, None]
        if self.flip:
            matrix = matrix * torch.where(symmetric(1, dim) < 0, -1.0, 1.0)
        vector = symmetric(dim) * self.shift
        if self.permute:
            matrix = matrix @ eye[symmetric(dim).argsort(-1)]
        return matrix, vector + self.center * (1 - matrix.sum(-1))
