"""Multipliers of larger units that are products over their parts, as unknowns of linear systems.

The sum of a free leg over all parts of a larger unit (of magnitudes, or of signs) is an unknown of that unit, beside
its legs. Where facts tell the sum, the leg is its share of that, and an unknown of the parts whose sum is 0.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from wsgraph.trace.legs import Ints, Legs, Record
from wsgraph.trace.solve import Partition

Expression = dict[int, Fraction]
"""A linear form in legs (0, 1, ...) and in unknowns of other kinds (-1, -2, ...)."""


class Term(NamedTuple):
    """Some power of a leg of the parts, in a product over all of them."""

    leg: int
    power: int


class Place(NamedTuple):
    """An unknown: the sum of a leg over the parts of a group's units, or the leg but for its share of the sum."""

    leg: int
    above: int
    bound: bool = False


class OverParts:
    """The products over parts, for the first unit of each group, and the sums that they are made of.

    Attributes:
        units: The groups.
        products: For each leg that is a product over the parts of its unit, what it is the product of.
        unlike: Legs in products of which not every part has its share, alike: these have the multiplier 1.
        places: What the unknowns -1, -2, ... are.
    """

    def __init__(self, legs: Legs, units: Partition) -> None:
        self.units = units
        self._levels = units.level[units.group[units.slot]]
        self.sizes: list[int] = np.bincount(units.group).tolist()
        self.products: list[tuple[int, list[Term]]] = []
        self.unlike: set[int] = set()
        self.places: list[Place] = []
        records = [record for record in legs.records if record.multiplies]
        members = np.flatnonzero(units.is_first[units.slot]) if records else np.empty(0, np.int64)
        self._leg_at = {(self.group_of(leg), int(units.kind[leg])): leg for leg in members.tolist()}
        for record in records:
            self._read(record)

    def is_bound(self, unknown: int) -> bool:
        """Whether an unknown is a leg's free part: what is left where its sum over parts is known."""
        return unknown < 0 and self.places[-1 - unknown].bound

    def leg_of(self, unknown: int) -> int:
        """The unknown that a sum is taken of; any other itself."""
        return unknown if unknown >= 0 or self.is_bound(unknown) else self.places[-1 - unknown].leg

    def group_of(self, unknown: int) -> int:
        """The group of a leg, or that of the larger units over whose parts a sum is taken."""
        if unknown >= 0:
            return int(self.units.group[self.units.slot[unknown]])
        place = self.places[-1 - unknown]
        return self.group_of(place.leg) if place.bound else place.above

    def level(self, unknown: int) -> int:
        """How many larger units lie above an unknown."""
        return int(self._levels[unknown] if unknown >= 0 else self.units.level[self.group_of(unknown)])

    def is_above(self, unknown: int, other: int) -> bool:
        """Whether an unknown belongs to the group of another one, or to one of its ancestors."""
        group, wanted = self.group_of(unknown), self.group_of(other)
        return wanted == group or wanted in self.units.ancestors(group)

    def equations(self, solution: dict[int, Expression]) -> list[Expression]:
        """The products as equations, where the parts have these multipliers."""
        found = []
        for result, terms in self.products:
            above, total = self.group_of(result), defaultdict(Fraction, {result: Fraction(-1)})
            for leg, power in terms:
                for unknown, coefficient in self._summed(solution[leg], self.group_of(leg), above).items():
                    total[unknown] += power * coefficient
            found.append({unknown: c for unknown, c in total.items() if c})
        return found

    def _summed(self, form: Expression, group: int, above: int) -> Expression:
        """The sum of a form in unknowns of a group and of its ancestors, over the parts of the units of another one."""
        total: Expression = defaultdict(Fraction)
        for unknown, coefficient in form.items():
            own, count = self.group_of(unknown), self.sizes[group]
            if above in self.units.chain(own)[1:]:
                if not self.is_bound(unknown) or self.sizes[above] > self.sizes[self.places[-1 - unknown].above]:
                    number = self._number(Place(self.leg_of(unknown), above))
                    total[number] += coefficient * (count // self.sizes[own])
            else:
                total[unknown] += coefficient * (count // self.sizes[above])
        return total

    def bound(self, unknown: int, reduce: Callable[[Fraction], Fraction], form: Expression) -> Expression | None:
        """A free leg, whose sum over parts is this form, as its share of the sum and a part of the sum 0.

        None where the sum has no equal shares.
        """
        leg, above = self.places[-1 - unknown][:2]
        count = Fraction(self.sizes[self.group_of(leg)] // self.sizes[above]) if form else Fraction(1)
        free = self._number(Place(leg, above, True))
        return {leg: -count, free: count, **form} if reduce(count) else None

    def _number(self, place: Place) -> int:
        if place not in self.places:
            self.places.append(place)
        return -1 - self.places.index(place)

    def _read(self, record: Record) -> None:
        parts, wholes = record.legs[0], record.legs[-1]
        assert record.magnitude is not None
        covered: set[int] = set()
        for result in np.unique(wholes[self.units.is_first[self.units.slot[wholes]]]).tolist():
            terms = self._terms(parts[wholes == result], self.group_of(result))
            if terms is None:
                self.unlike.add(result)
                continue
            self.products.append((result, [Term(leg, power * record.magnitude[0]) for leg, power in terms]))
            covered.update(leg for leg, _ in terms)
        self.unlike.update(set(parts[self.units.is_first[self.units.slot[parts]]].tolist()) - covered)

    def _terms(self, parts: Ints, above: int) -> list[Term] | None:
        """The legs of a unit's parts by their kinds, each with its power; None if some part has another share."""
        kinds: dict[int, Counter[int]] = defaultdict(Counter)
        for leg in parts.tolist():
            kinds[self._leg_at[self.group_of(leg), int(self.units.kind[leg])]][int(self.units.slot[leg])] += 1
        found = []
        for leg, shares in kinds.items():
            group = self.group_of(leg)
            every = above in self.units.chain(group)[1:] and len(shares) == self.sizes[group] // self.sizes[above]
            if not every or len(set(shares.values())) > 1:
                return None
            found.append(Term(leg, next(iter(shares.values()))))
        return found
