"""Canonical multipliers: those that bring the numbers that enter a unit to norm 1, and to one side."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from wsgraph.space.across import for_parts, summed_parts
from wsgraph.space.canonical_plan import Evidence, Freedom, evidence, plan
from wsgraph.space.canonical_tables import Table
from wsgraph.space.part_products import free_class, product, with_product
from wsgraph.space.parts import Axis

if TYPE_CHECKING:
    from wsgraph.space.weight_space import WeightSpace


def multipliers(
    space: WeightSpace, tables: Sequence[Table], numbers: Sequence[Tensor], freedom: Freedom
) -> list[Tensor]:
    """The magnitudes or the signs of every scale class that bring a network into canonical form, ``[..., size]``.

    Args:
        space: The weight space.
        tables: Of its blocks; with canonical magnitudes, where signs are asked for.
        numbers: See :func:`wsgraph.space.canonical_tables.position_numbers`.
        freedom: Magnitudes or signs.
    """
    return _Solution(space, tables, numbers, freedom).solve()


class _Solution:
    """Multipliers of all classes, found one class after the other; 1 where they are not known."""

    def __init__(
        self, space: WeightSpace, tables: Sequence[Table], numbers: Sequence[Tensor], freedom: Freedom
    ) -> None:
        self.space = space
        self.tables = tables
        self.numbers = numbers
        self.freedom = freedom
        batch = tables[0].batch if tables else ()
        device = tables[0].energy.device if tables else None
        sizes = [space.groups[c.group].size for c in space.scales]
        self.values = [torch.ones(*batch, n, dtype=torch.float64, device=device) for n in sizes]
        self.known = [torch.zeros(*batch, n, dtype=torch.bool, device=device) for n in sizes]
        self.read, self.told, self.weight = list(self.values), list(self.known), [v - 1 for v in self.values]

    def solve(self) -> list[Tensor]:
        """Follow the plan, then try all evidence for units that it left out: zeros stood there."""
        for item in plan(self.space, self.freedom):
            self._update(item)
        table, products = (evidence(self.space, self.freedom, products) for products in (False, True))
        pending = sorted(table, key=lambda c: self.values[c].shape[-1])
        while pending := [c for c in pending if not bool(self.known[c].all())]:
            if sum(self._update(item) for c in pending for item in table[c]):
                continue
            if any(self._close(c) for c in pending) or any(
                self._divide(i) for items in products.values() for i in items
            ):
                continue
            first = pending[0]  # of several that occur together only, one is free to stay 1
            self._note(first, torch.ones_like(self.known[first]))
        return self.values

    def _update(self, item: Evidence) -> bool:
        """Find multipliers of a class that are not known yet; whether there were any."""
        here = item.scale_class
        if bool(self.known[here].all()):
            return False
        signed, energy = (sum(sums) for sums in zip(*(self._sums(here, *p) for p in item.places), strict=True))
        values, found = self.freedom.read(signed, energy, item.exponent)
        found = found & ~self.told[here]
        self.read[here] = torch.where(found, values, self.read[here])
        self.weight[here] = torch.where(found, signed.abs(), self.weight[here])
        self.told[here] = self.told[here] | found
        self._note(here, self.told[here])
        return bool(found.any())

    def _close(self, here: int) -> bool:
        """Let parts without evidence make up for the others, where their product is 1; whether there were any."""
        over = self.space.scales[here].unit_over
        if over is None:
            return False
        told = self.told[here].unflatten(-1, (self.space.groups[over].size, -1))
        return self._settle(here, told.any(-1) & ~told.all(-1), torch.ones_like(told[..., 0], dtype=torch.float64))

    def _divide(self, item: Evidence) -> bool:
        """Let such parts make up for a product that is read from numbers behind it; whether there were any."""
        free = free_class(self.space, item.scale_class)
        if self.space.scales[free].unit_over is not None:
            return False
        signed, energy = (
            sum(sums) for sums in zip(*(self._sums(item.scale_class, *p) for p in item.places), strict=True)
        )
        values, found = self.freedom.read(signed, energy, item.exponent)
        return self._settle(free, found & ~self.known[item.scale_class], values)

    def _settle(self, here: int, units: Tensor, total: Tensor) -> bool:
        """Products over the parts of some larger units, ``[..., units]``; whether there are any."""
        values = with_product(self.read[here], self.told[here], self.weight[here], total)
        parts = units.repeat_interleave(values.shape[-1] // max(units.shape[-1], 1), dim=-1)
        self.read[here] = torch.where(parts, values, self.read[here])
        self.told[here] = self.told[here] | parts
        self._note(here, self.told[here])
        return bool(units.any())

    def _note(self, here: int, known: Tensor) -> None:
        """What was read of a free class becomes its multipliers, and those of larger units follow from them."""
        values, over = self.read[here], self.space.scales[here].unit_over
        if over is not None:
            units = self.space.groups[over].size
            parts = known.unflatten(-1, (units, -1))
            known = parts.all(-1, keepdim=True).expand_as(parts).flatten(-2)
            values = with_product(
                values, self.told[here], self.weight[here], values.new_ones(*values.shape[:-1], units)
            )
            values = torch.where(known, values, 1.0)
        for c, scale_class in enumerate(self.space.scales):
            if c == here:
                self.values[c], self.known[c] = values, known
            elif free_class(self.space, c) == here:
                self.values[c] = product(self.space, scale_class, values)
                self.known[c] = product(self.space, scale_class, known).bool()

    def _sums(self, here: int, number: int, axis: int) -> tuple[Tensor, Tensor]:
        """Signed and absolute sums over the numbers beside each unit of a class whose other multipliers are known."""
        table = self.tables[number]
        factors = [self._factors(a, here if i == axis else None) for i, a in enumerate(table.block.axes)]
        energy = table.along(axis, table.energy, [size for _, size in factors]) * factors[axis][1]
        signed = table.along(axis, table.signed, [sign for sign, _ in factors]) * factors[axis][0]
        groups = table.block.axes[axis].group, self.space.scales[here].group
        return summed_parts(self.space, signed, *groups), summed_parts(self.space, energy, *groups)

    def _factors(self, axis: Axis, but: int | None) -> tuple[Tensor, Tensor]:
        """What the multipliers of all classes but one do to signed and absolute squares; 0 where one is not known.

        The signed factor has the number of the unit's place in it.
        """
        sign, factors = self.numbers[axis.group], []
        for c, exponent in self.freedom.exponents(axis.scale).items():
            if c != but:
                value = torch.where(self.known[c], self.values[c].abs() ** (2 * exponent), 0.0)
                groups = axis.group, self.space.scales[c].group
                factors.append(for_parts(self.space, value, *groups))
                sign = sign * for_parts(self.space, self.values[c].sign(), *groups)
        energy = reduce(torch.mul, factors, torch.ones_like(self.numbers[axis.group]))
        return sign * energy, energy
