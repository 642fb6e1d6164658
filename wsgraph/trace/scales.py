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
from wsgraph.trace.legs import Ints, Legs
from wsgraph.trace.solve import Partition, unmentioned

Expression = dict[int, Fraction]
"""A linear form in free legs."""


def solve_scales(legs: Legs, units: Partition, names: list[str]) -> tuple[tuple[ScaleClass, ...], dict[int, Scale]]:
    """Scale classes, and the scale of every leg of the first unit of every group.

    Args:
        legs: The facts.
        units: The groups.
        names: Names of the groups.
    """
    members = np.flatnonzero(units.is_first[units.slot])
    equations = _equations(legs, units)
    magnitude, sign = (_solved(table, members, units, r) for table, r in zip(equations, (_same, _odd), strict=True))
    classes: list[ScaleClass] = []
    numbers: dict[int, int] = {}
    counts: dict[int, int] = defaultdict(int)
    for leg in members[np.argsort(units.group[units.slot[members]], kind="stable")].tolist():
        values = ScaleSet.of(leg in magnitude[leg], leg in sign[leg])
        if values is not ScaleSet.ONE:
            group = int(units.group[units.slot[leg]])
            counts[group] += 1
            numbers[leg] = len(classes)
            suffix = f".{counts[group]}" if counts[group] > 1 else ""
            classes.append(ScaleClass(names[group] + suffix, group, values))
    return tuple(classes), {leg: _scale(magnitude[leg], sign[leg], numbers) for leg in members.tolist()}


def _same(coefficient: Fraction) -> Fraction:
    return coefficient


def _odd(coefficient: Fraction) -> Fraction:
    return coefficient % 2


def _solved(
    equations: list[Expression], members: Ints, units: Partition, reduce: Callable[[Fraction], Fraction]
) -> dict[int, Expression]:
    """Every leg by free legs of its own unit and of the larger units that it is a part of.

    Where it would take others, those have the multiplier 1: the equations of the first unit do not tell which of their
    units belongs to which.
    """
    level = units.level[units.group[units.slot]]
    while True:
        solution = eliminate(equations, members, level, reduce)
        strangers = {other for leg, form in solution.items() for other in form if not _is_above(units, leg, other)}
        if not strangers:
            return solution
        equations = [{leg: Fraction(1)} for leg in sorted(strangers)] + equations


def _is_above(units: Partition, leg: int, other: int) -> bool:
    """Whether a leg belongs to the group of another one, or to one of its ancestors."""
    group, wanted = int(units.group[units.slot[leg]]), int(units.group[units.slot[other]])
    return wanted == group or wanted in units.ancestors(group)


def eliminate(
    equations: list[Expression], legs: Ints, level: Ints, reduce: Callable[[Fraction], Fraction]
) -> dict[int, Expression]:
    """Express every leg by free ones, so that all equations Σ c_i x_i = 0 hold.

    Legs of larger units, and then earlier legs, stay free where there is a choice.

    Args:
        equations: Their left-hand sides.
        legs: The unknowns.
        level: Of each leg's group: how many larger units lie above.
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
            pivot = max(form, key=lambda leg: (level[leg], abs(form[leg]) == 1, leg))
            divisor = form.pop(pivot)
            solved[pivot] = {leg: reduce(-c / divisor) for leg, c in form.items()}
    result: dict[int, Expression] = {}
    for leg in legs.tolist():
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
        if record.magnitude is None and record.sign is None:
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
