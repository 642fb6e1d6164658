"""Principal axes: canonical rotations of planes, and canonical bases of orthogonal groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from wsgraph.space.across import linear_group, summed_parts
from wsgraph.space.matrices import turns_by
from wsgraph.space.parts import Axis

if TYPE_CHECKING:
    from wsgraph.space.weight_space import WeightSpace

EQUAL = 1e-10
"""Eigenvalues whose difference is this fraction of the largest one are equal."""


def principal_axes(gram: Tensor) -> Tensor:
    """Orthogonal M with a diagonal M G Mᵀ, for G ``[..., n, n]``; the identity where eigenvalues agree."""
    values, axes = torch.linalg.eigh(gram)
    regular = (values.diff(dim=-1) > EQUAL * values[..., -1:]).all(-1)
    still = torch.eye(gram.shape[-1]).to(gram)
    return torch.where(regular[..., None, None], axes.transpose(-1, -2), still)


def plane_turns(space: WeightSpace, weights: Tensor, group: int) -> Tensor:
    r"""The turn of each plane ``[..., size, 2, 2]`` after which its numbers a, b have Σ a b = 0 and Σ a² > Σ b².

    The angle is -½ atan2(2 Σ a b, Σ a² - Σ b²). The numbers are those of the side where multipliers multiply. A half
    turn, which is a sign, is left. No plane is turned whose numbers point nowhere.
    """
    lead, zeros = weights.dim() - 1, weights.new_zeros(*weights.shape[:-1], space.groups[group].size)
    mixed, difference, total = zeros, zeros, zeros
    for number, block in enumerate(space.blocks):
        for i, axis in enumerate(block.axes):
            if linear_group(space, axis.group) == group and _counts(space, axis, group):
                partner = axis.plane.partner if axis.plane else number
                a, b = (_rows(space, weights, n, lead, i) for n in (number, partner))
                sums = 2 * (a * b).sum(-1), (a.square() - b.square()).sum(-1), (a.square() + b.square()).sum(-1)
                here = [summed_parts(space, values, axis.group, group) for values in sums]
                mixed, difference, total = mixed + here[0], difference + here[1], total + here[2]
    regular = torch.hypot(mixed, difference) > EQUAL * total
    return turns_by(torch.where(regular, -0.5 * torch.atan2(mixed, difference), 0.0))


def _counts(space: WeightSpace, axis: Axis, group: int) -> bool:
    """Whether an axis has first coordinates, on the side where multipliers multiply."""
    divided = any(f.power < 0 for f in axis.scale if space.scales[f.scale_class].group == group)
    return axis.plane is not None and axis.plane.coordinate == 0 and not divided


def _rows(space: WeightSpace, weights: Tensor, number: int, lead: int, axis: int) -> Tensor:
    """The numbers of each unit along an axis of a block, ``[..., size, n]``."""
    values = space.block_view(weights, number)
    if space.blocks[number].pieces == 1:
        moved = values.movedim(lead + axis, lead)
        return moved.flatten(lead + 1) if moved.dim() > lead + 1 else moved[..., None]
    return values.movedim(lead + 1 + axis, lead + 1).flatten(lead + 2).flatten(lead, lead + 1)
