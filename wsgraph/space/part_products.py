"""Multipliers of larger units that are products over their parts, and multipliers of parts whose product is 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from wsgraph.space.scale import ScaleClass
    from wsgraph.space.weight_space import WeightSpace


def with_products(space: WeightSpace, multipliers: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Multipliers of all classes, ``[..., size]``, where those that are products over parts follow from the others."""
    pairs = zip(space.scales, multipliers, strict=True)
    return tuple(own if c.product_of is None else product(space, c, multipliers[c.product_of]) for c, own in pairs)


def product(space: WeightSpace, scale_class: ScaleClass, of_parts: Tensor) -> Tensor:
    """For each unit of a class the product of values ``[..., parts]`` of its parts, ``[..., size]``."""
    return of_parts.unflatten(-1, (space.groups[scale_class.group].size, -1)).prod(-1)


def free_class(space: WeightSpace, number: int) -> int:
    """The free class that the multipliers of a class follow from: itself, or that of the parts."""
    of_parts = space.scales[number].product_of
    return number if of_parts is None else of_parts


def num_parts(space: WeightSpace, number: int) -> int:
    """How many multipliers of its free class make one of a class: 1 for a free class."""
    sizes = [space.groups[space.scales[c].group].size for c in (free_class(space, number), number)]
    return sizes[0] // max(sizes[1], 1)


def with_product(values: Tensor, told: Tensor, weight: Tensor, total: Tensor) -> Tensor:
    """Multipliers ``[..., parts]`` that are changed as little as can be, so that they have this product over each unit.

    Magnitudes are multiplied by one number; where the sign is another, that of the least weight turns.

    Args:
        values: The multipliers.
        told: Whether each is known. Where some of a unit are not, these make up for the others.
        weight: Of each; those that are not known have none.
        total: The products, ``[..., units]``.
    """
    weight = torch.where(told, weight, -1.0)
    values, told, weight = (t.unflatten(-1, (total.shape[-1], -1)) for t in (values, told, weight))
    takes = torch.where(told.all(-1, keepdim=True), torch.ones_like(values), (~told).to(values))
    missing = total.abs().log()[..., None] - values.abs().log().sum(-1, keepdim=True)
    sizes = values.abs() * (takes * missing / takes.sum(-1, keepdim=True)).exp()
    least = torch.zeros_like(told).scatter(-1, weight.argmin(-1, keepdim=True), True)
    wrong = total.sign()[..., None] * values.sign().prod(-1, keepdim=True)
    return (sizes * values.sign() * torch.where(least, wrong, 1.0)).flatten(-2)
