"""Monomials of multipliers as numbers that can be compared."""

from __future__ import annotations

from collections import defaultdict

from wsgraph.space import WeightSpace
from wsgraph.space.part_products import free_class
from wsgraph.space.scale import Factor, Scale

Powers = tuple[tuple[int, float, int], ...]
"""For each scale class that matters: its number, the power of |λ|, and that of sgn(λ) (0 or 1)."""


def powers(space: WeightSpace, *factors: tuple[Scale, float]) -> Powers:
    """The product of scales to the given powers, without what is not free: two are equal if and only if these are."""
    total: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for scale, exponent in factors:
        for factor in scale:
            values = space.scales[factor.scale_class].values
            total[factor.scale_class][0] += exponent * factor.power * values.has_magnitude
            total[factor.scale_class][1] += abs(exponent) * factor.parity * values.has_sign
    found = ((number, power, int(parity) % 2) for number, (power, parity) in sorted(total.items()))
    return tuple(p for p in found if p[1] or p[2])


def over_parts(space: WeightSpace, scale: Scale, group: int, above: int) -> Scale | None:
    """The product of a scale of a group's units over all parts of a larger unit; None if no class holds it."""
    found = []
    for factor in scale:
        own = space.scales[factor.scale_class].group
        over = space.scales[factor.scale_class].unit_over
        if over is not None and space.groups[above].size <= space.groups[over].size:
            continue
        count = space.groups[group].size // space.groups[own].size
        free = free_class(space, factor.scale_class)
        number: int | None = factor.scale_class
        if space.groups[own].size > space.groups[above].size:
            number = next((i for i, c in enumerate(space.scales) if (c.product_of, c.group) == (free, above)), None)
        else:
            count = space.groups[group].size // space.groups[above].size
        if number is None:
            return None
        found.append(Factor(number, factor.power * count, factor.parity * count % 2))
    return tuple(found)


def part(scale: Scale, magnitude: bool, sign: bool) -> Scale:
    """The magnitude of a scale, its sign, both or none."""
    kept = (f._replace(power=f.power * magnitude, parity=f.parity * sign) for f in scale)
    return tuple(f for f in kept if f.power or f.parity)


def freedoms(space: WeightSpace, scale: Scale) -> tuple[bool, bool]:
    """Whether a scale has a free magnitude, and whether it has a free sign."""
    found = powers(space, (scale, 1))
    return any(power for _, power, _ in found), any(parity for _, _, parity in found)
