"""From which numbers each scale class's multipliers are read, and in which order: by the weight space alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from wsgraph.space.part_products import free_class
from wsgraph.space.scale import Scale

if TYPE_CHECKING:
    from wsgraph.space.weight_space import WeightSpace

TIE = 1e-9
"""A sum of this fraction of the sizes of its terms has no sign."""


@dataclass(frozen=True)
class Freedom:
    """One of the two halves of multipliers: magnitudes, or signs.

    Attributes:
        exponents: The exponents of the scale classes that have this freedom in a scale.
        read: From the signed and the absolute sum over the numbers beside each unit, and the exponent there: the
            multipliers, and whether they can be told.
    """

    exponents: Callable[[Scale], dict[int, float]]
    read: Callable[[Tensor, Tensor, float], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Evidence:
    """Numbers that multipliers are read from: axes of blocks, as (block, axis), where a class has this exponent."""

    scale_class: int
    exponent: float
    places: tuple[tuple[int, int], ...]


def magnitudes(space: WeightSpace) -> Freedom:
    """Magnitudes make sums of squares 1."""
    free = [c.values.has_magnitude for c in space.scales]

    def exponents(scale: Scale) -> dict[int, float]:
        return {f.scale_class: f.power for f in scale if f.power and free[f.scale_class]}

    def read(signed: Tensor, energy: Tensor, exponent: float) -> tuple[Tensor, Tensor]:
        known = (energy > 0) & energy.isfinite()
        return torch.where(known, energy, 1.0) ** (-0.5 / exponent), known

    return Freedom(exponents, read)


def signs(space: WeightSpace) -> Freedom:
    """Signs make sums of signed squares positive."""
    free = [c.values.has_sign for c in space.scales]

    def exponents(scale: Scale) -> dict[int, float]:
        return {f.scale_class: 1.0 for f in scale if f.parity % 2 and free[f.scale_class]}

    def read(signed: Tensor, energy: Tensor, exponent: float) -> tuple[Tensor, Tensor]:
        return torch.where(signed < 0, -1.0, 1.0), signed.abs() > TIE * energy

    return Freedom(exponents, read)


def evidence(space: WeightSpace, freedom: Freedom, products: bool = False) -> dict[int, list[Evidence]]:
    """For every class: what enters each layer that carries it, in the order of the forward pass, then each block.

    Classes come in the order of the first layer that they enter: free ones, or those that are products over parts.
    """
    found: dict[int, dict[tuple[int, float], dict[tuple[int, int], None]]] = defaultdict(lambda: defaultdict(dict))
    incoming = [(c.target, c.block, c.target_axis) for c in space.connections if c.block is not None]
    rest = [(len(space.layers) + b, b, a) for b, block in enumerate(space.blocks) for a in range(len(block.axes))]
    for layer, block, axis in sorted(incoming) + rest:
        for c, exponent in freedom.exponents(space.blocks[block].axes[axis].scale).items():
            if (free_class(space, c) != c) == products:
                found[c][layer, exponent][block, axis] = None
    table = {c: [Evidence(c, e, tuple(places)) for (_, e), places in items.items()] for c, items in found.items()}
    return {c: table[c] for c in sorted(table, key=lambda c: (min(found[c])[0], c))}


def plan(space: WeightSpace, freedom: Freedom) -> list[Evidence]:
    """For each class one evidence in which all other multipliers are known by then, if there is any.

    First evidence is preferred; general linear groups come last, so that others do without them where they can.
    """
    table = evidence(space, freedom)
    ranked = sorted(
        (bool(space.groups[space.scales[c].group].linear), rank, order, item)
        for order, c in enumerate(table)
        for rank, item in enumerate(table[c])
    )
    left, pending, steps = [item for *_, item in ranked], set(table), []

    def is_known(item: Evidence, block: int, axis: int) -> bool:
        classes = [(i, c) for i, a in enumerate(space.blocks[block].axes) for c in freedom.exponents(a.scale)]
        return not any(free_class(space, c) in pending for i, c in classes if (i, c) != (axis, item.scale_class))

    while step := next((item for item in left if all(is_known(item, *place) for place in item.places)), None):
        steps.append(step)
        pending.remove(step.scale_class)
        left = [item for item in left if item.scale_class != step.scale_class]
    return steps
