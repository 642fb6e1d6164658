"""Legs: the neuron ids of a trace, and everything that the operators say about them.

A *leg* is one index of one axis of a parameter, or one unit that an operator makes. Operators only append facts:

- ``relate``: these legs are the same unit (they are permuted together), and a product of their multipliers is 1;
- ``nest``: these legs are parts of a larger unit (an attention head, a convolution group), which moves as a whole;
- ``multiply``: these legs are parts of a larger unit, whose multiplier is the product of theirs;
- ``restrict``: the magnitude or the sign of a leg's multiplier is 1;
- ``mark``: these legs are used alike, and not as others are;
- ``hold``: these legs cannot change places, but may have multipliers;
- ``pin``: these legs cannot move at all.

What follows from the facts is worked out once, at the end, in :mod:`wsgraph.trace.solve`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Label = NDArray[np.int64]
"""``[3, *dims]``: leg, site and node at every position; a dim is 1 along axes without a meaning.

The *site* tells the copies of one unit apart (the pixels of a flattened channel); the *node* is the operator that made
the value."""

LEG, SITE, NODE = 0, 1, 2

Powers = tuple[int, ...]

_COPY = 5077
"""Makes sites of copies of one value."""


@dataclass(frozen=True)
class Record:
    """Rows of legs that belong together, one row a unit and site.

    Attributes:
        legs: ``[columns, rows]``.
        site: ``[rows]``, what tells rows of one unit apart.
        magnitude: Coefficients a with Π |λ_c|^a_c = 1 in every row, or None.
        sign: Coefficients s with Π sgn(λ_c)^s_c = 1 in every row, or None.
        joins: How many of the first columns are one unit. The others are larger units that the first is a part of.
        multiplies: Whether the powers are those of a product over all parts of the larger unit, in place of each row.
        linear: Whether the fact stays true under any invertible matrix in place of the multipliers.
        holds: Whether ``site`` tells places apart between which units cannot move.
        crossed: How many of the first columns are one unit where the copies of a shared unit may change places (see
            :mod:`wsgraph.trace.crossings`); 0 where there are none.
        loose: ``[rows]``, the site in that case.
        only_crossed: Whether the fact counts in that case only.
        tells: Whether larger units with equal parts in such facts are one.
    """

    legs: Ints
    site: Ints
    magnitude: Powers | None = None
    sign: Powers | None = None
    joins: int = 1
    multiplies: bool = False
    linear: bool = False
    holds: bool = False
    crossed: int = 0
    loose: Ints | None = None
    only_crossed: bool = False
    tells: bool = False

    @property
    def nests(self) -> bool:
        """Whether there are columns of larger units."""
        return self.joins < len(self.legs)


@dataclass
class Legs:
    """A growing set of legs and of facts about them."""

    births: list[int] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    pinned: list[Ints] = field(default_factory=list)
    count: int = 0
    values: dict[int, int] = field(default_factory=dict)

    def new(self, count: int) -> Ints:
        """Fresh legs, alike until told apart."""
        legs = np.arange(self.count, self.count + count)
        self.births.append(count)
        self.count += count
        return legs

    def relate(
        self, *columns: Label, magnitude: Powers | None = None, sign: Powers | None = None, linear: bool = False
    ) -> None:
        """The legs of each row are one unit; Π |λ|^magnitude = 1 and Π sgn(λ)^sign = 1 (no constraint if None)."""
        legs, site = rows(*columns)
        self.records.append(Record(legs, site, magnitude, sign, joins=len(columns), linear=linear))

    def equal(self, a: Label, b: Label) -> None:
        """The legs are the same units with the same multipliers."""
        self.relate(a, b, magnitude=(1, -1), sign=(1, 1), linear=True)

    def inverse(self, a: Label, b: Label) -> None:
        """The legs are the same units with inverse multipliers."""
        self.relate(a, b, magnitude=(1, 1), sign=(1, 1), linear=True)

    def nest(
        self,
        *children: Label,
        parent: Label,
        magnitude: Powers | None = None,
        sign: Powers | None = None,
        linear: bool = False,
    ) -> None:
        """The legs of each row of the children are one unit, which is a part of the larger unit ``parent``.

        The powers are those of the children and, last, of the parent.
        """
        legs, site = rows(*children)
        dims = np.broadcast_shapes(*(c.shape[1:] for c in _same_rank(*children, parent)))
        parent = _same_rank(*children, parent)[-1]
        above = np.broadcast_to(parent, (3, *dims)).reshape(3, -1)
        site = mix(site, mix(above[SITE], above[NODE]))
        columns = np.concatenate([legs, above[LEG][None]])
        self.records.append(Record(columns, site, magnitude, sign, len(children), linear=linear))

    def share(
        self, *parts: Label, wide: Label, parent: Label | None, magnitude: Powers, sign: Powers, linear: bool = False
    ) -> None:
        """As with :meth:`nest` (:meth:`relate`), where one unit ``wide`` with one value meets many of these parts.

        The parts are one unit with it, whose copies are told apart, or each is a part of it and of ``parent``.
        """
        columns = (*parts, wide) if parent is None else (*parts, wide, parent)
        if parent is None:
            self.relate(*columns, magnitude=magnitude, sign=sign, linear=linear)
        else:
            self.nest(*parts, wide, parent=parent, magnitude=magnitude, sign=sign, linear=linear)
        columns = _same_rank(*columns)
        dims = np.broadcast_shapes(*(c.shape[1:] for c in columns))
        loose = sum((mix(mix(self.data_site(c), c[NODE]), i) for i, c in enumerate(columns)), np.zeros(dims, np.int64))
        self.records[-1] = replace(self.records[-1], crossed=len(parts), loose=loose.reshape(-1))
        if parent is not None:
            self._tell_families_apart(columns[-2], columns[-1], dims)

    def _tell_families_apart(self, wide: Label, parent: Label, dims: tuple[int, ...]) -> None:
        """Larger units that meet the same shared units are parts of a still larger one, as these are."""
        inner = tuple(slice(0, 1) if n == 1 else slice(None) for n in parent.shape[1:])
        of_place = np.broadcast_to(wide[LEG], dims)[inner]
        number = np.unique(of_place, return_inverse=True)[1].reshape(of_place.shape)
        family = self.new(int(number.max(initial=0)) + 1)[number]
        for part, tells in (
            (np.broadcast_to(parent[LEG], family.shape), True),
            (np.broadcast_to(wide[LEG], dims), False),
        ):
            columns = np.stack([part.reshape(-1), np.broadcast_to(family, part.shape).reshape(-1)])
            site = np.zeros(columns.shape[1], dtype=np.int64)
            self.records.append(Record(columns, site, linear=True, only_crossed=True, tells=tells))

    def data_site(self, label: Label) -> Ints:
        """The sites of a label, with those of copies of one value replaced by that of the value."""
        sites, number = np.unique(label[SITE], return_inverse=True)
        found = np.array([self.values.get(int(site), int(site)) for site in sites], dtype=np.int64)
        return found[number].reshape(label[SITE].shape)

    def note_copies(self, before: Label, after: Label) -> Label:
        """Say that ``after`` (returned) has copies of one value, which ``before`` shows at the same places."""
        old = self.data_site(before)
        copied = after[SITE] != before[SITE]
        sites = np.where(copied, mix(after[SITE], _COPY), after[SITE])
        self.values.update(zip(sites[copied].tolist(), old[copied].tolist(), strict=True))
        return np.stack([after[LEG], sites, after[NODE]])

    def multiply(self, part: Label, parent: Label, times: int = 1) -> None:
        """The legs are parts of the larger unit ``parent``, whose multiplier is the product over them, to a power."""
        self.nest(part, parent=parent)
        record = self.records.pop()
        self.records.append(replace(record, magnitude=(times, -1), sign=(times, -1), multiplies=True))

    def restrict(self, label: Label, magnitude: bool = False, sign: bool = False) -> None:
        """Fix the magnitude or the sign of the multipliers to 1 where the flag is False."""
        if not (magnitude and sign):
            legs, site = rows(label)
            self.records.append(Record(legs, site, None if magnitude else (1,), None if sign else (1,)))

    def mark(self, label: Label) -> None:
        """These legs meet here, alike: permutations among them commute with what happens."""
        self.records.append(Record(*rows(label), linear=True))

    def hold(self, label: Label, places: Ints) -> None:
        """These units cannot move between places (numbers, one for each position, that broadcast to the label)."""
        dims = np.broadcast_shapes(label.shape[1:], places.shape)
        full = np.broadcast_to(label, (3, *dims)).reshape(3, -1)
        place = np.broadcast_to(places, dims).reshape(-1)
        self.records.append(Record(full[:1], mix(mix(full[SITE], full[NODE]), place), holds=True))

    def pin(self, label: Label) -> int:
        """These units stay, with multiplier 1; returns how many they are."""
        legs = np.unique(label[LEG])
        self.pinned.append(legs)
        return len(legs)


def rows(*columns: Label) -> tuple[Ints, Ints]:
    """Legs ``[columns, rows]`` and joint sites ``[rows]`` of labels that are broadcast against each other."""
    columns = _same_rank(*columns)
    dims = np.broadcast_shapes(*(c.shape[1:] for c in columns))
    site = np.zeros(dims, dtype=np.int64)
    for i, column in enumerate(columns):
        site = site + mix(mix(column[SITE], column[NODE]), i)
    for axis, size in enumerate(dims):
        if size > 1 and any(c.shape[axis + 1] == 1 for c in columns):
            shape = [1] * len(dims)
            shape[axis] = size
            site = mix(site, np.arange(size).reshape(shape))
    legs = np.stack([np.broadcast_to(c[LEG], dims).reshape(-1) for c in columns])
    return legs, np.broadcast_to(site, dims).reshape(-1)


def _same_rank(*columns: Label) -> tuple[Label, ...]:
    rank = max(c.ndim for c in columns)
    return tuple(c.reshape(3, *([1] * (rank - c.ndim)), *c.shape[1:]) for c in columns)


def mix(a: Ints | int, b: Ints | int) -> Ints:
    """A 64-bit hash of pairs of integers (splitmix64), the same in every process."""
    with np.errstate(over="ignore"):
        z = np.asarray(a).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.asarray(b).astype(np.uint64)
        z = (z + np.uint64(0x9E3779B97F4A7C15)) ^ (z >> np.uint64(30))
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return (z ^ (z >> np.uint64(31))).astype(np.int64)
