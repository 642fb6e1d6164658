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


def with_product_one(values: Tensor, told: Tensor, weight: Tensor, units: int) -> Tensor:
    """Multipliers ``[..., parts]`` that are changed as little as can be, so that their product over each unit is 1.

    Magnitudes are divided by their geometric mean; where signs have the product -1, that of the least weight turns.

    Args:
        values: The multipliers.
        told: Whether each is known. Where some of a unit are not, these make up for the others.
        weight: Of each; those that are not known have none.
        units: The number of larger units.
    """
    values, told, weight = (t.unflatten(-1, (units, -1)) for t in (values, told, torch.where(told, weight, -1.0)))
    takes = torch.where(told.all(-1, keepdim=True), torch.ones_like(values), (~told).to(values))
    logs = values.abs().log()
    logs = logs - takes * logs.sum(-1, keepdim=True) / takes.sum(-1, keepdim=True)
    least = torch.zeros_like(told).scatter(-1, weight.argmin(-1, keepdim=True), True)
    signs = torch.where(least, values.sign().prod(-1, keepdim=True), 1.0) * values.sign()
    return (logs.exp() * signs).flatten(-2)
