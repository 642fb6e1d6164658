"""From facts about multipliers to scale classes: two linear systems.

Writing λ = exp(m) (-1)^s, a product of multipliers that must be 1 is a linear equation in the magnitudes m over the
rationals, and one in the signs s modulo 2. Both are solved by elimination, for the first unit of each group; the other
units of the group satisfy the same equations. What a larger unit and its parts share is solved for the parts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from wsgraph.space import Factor, ScaleClass, ScaleSet
from wsgraph.space.scale import Scale
from wsgraph.trace.legs import Legs
from wsgraph.trace.over_parts import Expression, OverParts
from wsgraph.trace.solve import Partition, unmentioned


def solve_scales(legs: Legs, units: Partition, names: list[str]) -> tuple[tuple[ScaleClass, ...], dict[int, Scale]]:
    """Scale classes, and the scale of every leg of the first unit of every group.

    Args:
        legs: The facts.
        units: The groups.
        names: Names of the groups.
    """
    members = np.flatnonzero(units.is_first[units.slot])
    products = OverParts(legs, units)
    (magnitude, _), (sign, _) = _solutions(legs, units, products)
    free = [{unknown for leg in members.tolist() for unknown in solution[leg]} for solution in (magnitude, sign)]
    classes: list[ScaleClass] = []
    numbers: dict[int, int] = {}
    counts: dict[int, int] = defaultdict(int)
    order = {u: (products.leg_of(u) != u, products.group_of(u), u < 0, abs(u)) for u in free[0] | free[1]}
    for unknown in sorted(order, key=order.__getitem__):
        values, group = ScaleSet.of(*(unknown in used for used in free)), products.group_of(unknown)
        numbers[unknown] = len(classes)
        if products.leg_of(unknown) != unknown:
            of = numbers[products.leg_of(unknown)]
            classes.append(ScaleClass(f"Π {classes[of].name}", group, classes[of].values, of))
            continue
        counts[group] += 1
        suffix = f".{counts[group]}" if counts[group] > 1 else ""
        over = products.places[-1 - unknown].above if products.is_bound(unknown) else None
        classes.append(ScaleClass(names[group] + suffix, group, values, None, over))
    return tuple(classes), {leg: _scale(magnitude[leg], sign[leg], numbers) for leg in members.tolist()}


def lost_groups(legs: Legs, units: Partition) -> set[int]:
    """The groups of parts with multipliers other than 1 that no class can hold, since their products are told."""
    products = OverParts(legs, units)
    if not products.products:
        return set()
    return {products.group_of(leg) for _, lost in _solutions(legs, units, products) for leg in lost}


def _solutions(legs: Legs, units: Partition, products: OverParts) -> list[tuple[dict[int, Expression], set[int]]]:
    """Magnitudes and signs: see :func:`_solved`."""
    members = np.flatnonzero(units.is_first[units.slot]).tolist()
    tables = zip(_equations(legs, units), (_same, _odd), strict=True)
    return [_solved(table, products, members, reduce) for table, reduce in tables]


def _same(coefficient: Fraction) -> Fraction:
    return coefficient


def _odd(coefficient: Fraction) -> Fraction:
    return coefficient % 2


def _solved(
    facts: list[Expression], products: OverParts, members: list[int], reduce: Callable[[Fraction], Fraction]
) -> tuple[dict[int, Expression], set[int]]:
    """Every leg by free unknowns of its own unit and of the larger units that it is a part of.

    Where it would take others, those have the multiplier 1: the equations of the first unit do not tell which of their
    units belongs to which. So do free legs whose sum over parts is told and has no equal shares: these are returned,
    too.
    """
    facts = facts + [{leg: Fraction(1)} for leg in sorted(products.unlike)]
    lost: set[int] = set()
    sums: list[Expression] = []
    while True:
        unknowns = [*members, *range(-len(products.places), 0)]
        solution = eliminate([*facts, *sums], unknowns, products.level, reduce)
        still = {u for leg in members for u in solution[leg] if not products.is_above(leg, u)}
        if not still and (found := products.equations(solution)) != sums:
            parts = {leg for _, terms in products.products for leg, _ in terms}
            facts = facts + [_difference(leg, solution[leg]) for leg in sorted(parts)]
            sums = found
            continue
        shares, told = _told(products, sums, solution, reduce)
        still = still or told
        if not still and not shares:
            return solution, lost
        if still:
            lost |= {products.leg_of(u) for u in still if u < 0}
            facts = [{u: Fraction(1)} for u in sorted(still | lost)] + facts
        else:
            facts = facts + shares


def _told(
    products: OverParts, sums: list[Expression], solution: dict[int, Expression], reduce: Callable[[Fraction], Fraction]
) -> tuple[list[Expression], set[int]]:
    """Legs whose sums over parts are told by these and their shares, and unknowns that are told in another way."""
    free, shares, told = _free(solution), [], set()
    for unknown in sorted({u for form in sums for u in form if u < 0 and not products.is_bound(u)} - free):
        leg = products.leg_of(unknown)
        share = products.bound(unknown, reduce, solution[unknown]) if leg in free and leg >= 0 else None
        shares += [] if share is None else [share]
        told |= {unknown} if share is None else set()
    used = {u for leg, form in solution.items() if leg >= 0 for u in form if u < 0}
    told |= {u for u in used if products.leg_of(u) not in free}
    told |= {u for u, form in solution.items() if products.is_bound(u) and form and u not in free}
    return shares, told


def _free(solution: dict[int, Expression]) -> set[int]:
    return {unknown for unknown, form in solution.items() if unknown in form}


def _difference(leg: int, form: Expression) -> Expression:
    """A leg minus what it is, or nothing."""
    return {} if leg in form else {leg: Fraction(-1), **form}


def eliminate(
    equations: list[Expression],
    unknowns: list[int],
    level: Callable[[int], int],
    reduce: Callable[[Fraction], Fraction],
) -> dict[int, Expression]:
    """Express every unknown by free ones, so that all equations Σ c_i x_i = 0 hold.

    Unknowns of larger units, then sums over parts, and then earlier legs stay free where there is a choice.

    Args:
        equations: Their left-hand sides.
        unknowns: The unknowns.
        level: Of an unknown's group: how many larger units lie above.
        reduce: Brings a coefficient into the field (the identity, or remainder modulo 2).
    """
    solved: dict[int, Expression] = {}

    def expand(form: Expression) -> Expression:
        total: dict[int, Fraction] = defaultdict(Fraction)
        pending = list(form.items())
        while pending:
            leg, factor = pending.pop()
            if leg in solved:
                pending += [(other, factor * c) for other, c in solved[leg].items()]
            else:
                total[leg] += factor
        return {leg: c for leg, c in ((k, reduce(v)) for k, v in total.items()) if c}

    for equation in equations:
        form = expand(equation)
        if form:
            pivot = max(form, key=lambda leg: (level(leg), leg >= 0, abs(form[leg]) == 1, leg))
            divisor = form.pop(pivot)
            solved[pivot] = {leg: reduce(-c / divisor) for leg, c in form.items()}
    result: dict[int, Expression] = {}
    for leg in unknowns:
        if leg in solved:
            solved[leg] = expand({leg: Fraction(1)})
        result[leg] = solved.get(leg, {leg: Fraction(1)})
    return result


def _equations(legs: Legs, units: Partition) -> tuple[list[Expression], list[Expression]]:
    """Equations in magnitudes and in signs for the first unit of each group."""
    magnitudes: list[Expression] = []
    signs: list[Expression] = []
    for still in (*legs.pinned, unmentioned(legs), units.ambiguous):
        for leg in still[units.is_first[units.slot[still]]].tolist():
            magnitudes.append({leg: Fraction(1)})
            signs.append({leg: Fraction(1)})
    for record in legs.records:
        if record.multiplies or (record.magnitude is None and record.sign is None):
            continue
        for row in np.flatnonzero(units.is_first[units.slot[record.legs]].all(axis=0)):
            members = record.legs[:, row].tolist()
            for table, coefficients in ((magnitudes, record.magnitude), (signs, record.sign)):
                if coefficients is not None:
                    table.append(_collect(members, coefficients))
    return magnitudes, signs


def _collect(legs: list[int], coefficients: tuple[int, ...]) -> Expression:
    form: dict[int, Fraction] = defaultdict(Fraction)
    for leg, coefficient in zip(legs, coefficients, strict=True):
        form[leg] += coefficient
    return {leg: c for leg, c in form.items() if c}


def _scale(magnitude: Expression, sign: Expression, numbers: dict[int, int]) -> Scale:
    legs = sorted(set(magnitude) | set(sign), key=lambda leg: numbers[leg])
    return tuple(Factor(numbers[leg], float(magnitude.get(leg, 0)), int(leg in sign)) for leg in legs)
