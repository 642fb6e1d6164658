"""Scales: the per-unit multipliers that a network carries through homogeneous operators."""

import enum
from dataclasses import dataclass
from typing import NamedTuple


class ScaleSet(enum.Enum):
    """The set from which the multiplier of a unit may come.

    Every nonzero number is a magnitude times a sign, λ = |λ| · sgn(λ); a set says which of the two is free.
    """

    ONE = "{1}"
    SIGN = "{-1, 1}"
    POSITIVE = "R>0"
    NONZERO = "R\\{0}"

    @property
    def has_magnitude(self) -> bool:
        """Whether |λ| is free."""
        return self in (ScaleSet.POSITIVE, ScaleSet.NONZERO)

    @property
    def has_sign(self) -> bool:
        """Whether sgn(λ) is free."""
        return self in (ScaleSet.SIGN, ScaleSet.NONZERO)

    @staticmethod
    def of(magnitude: bool, sign: bool) -> "ScaleSet":
        """The set with exactly these freedoms."""
        names = {(False, False): "ONE", (False, True): "SIGN", (True, False): "POSITIVE", (True, True): "NONZERO"}
        return ScaleSet[names[magnitude, sign]]


@dataclass(frozen=True)
class ScaleClass:
    """One free multiplier per unit of a neuron group: λ ∈ ``values`` ^ size.

    The parts of a unit (see :class:`~wsgraph.space.NeuronGroup`) share its multiplier.

    Attributes:
        name: What to call it.
        group: Index of the neuron group.
        values: The set that multipliers come from.
        product_of: For multipliers that are not free, but follow from those of the units' parts: index of a free class
            of the parts. That of a unit is the product over its parts, λ_u = Π_{p in u} λ_p. None for a free class.
        unit_over: For multipliers that are free but for their product over the parts of each larger unit, which is 1:
            index of the group of the larger units. None where they are not bound.
    """

    name: str
    group: int
    values: ScaleSet
    product_of: int | None = None
    unit_over: int | None = None


@dataclass(frozen=True)
class PhaseClass:
    """One whole number of half turns per unit of a neuron group, for units that go through a sine.

    Since sin(kπ + (-1)^k ω z) = sin(ω z), a bias may become (-1)^k b + k π / ω if the row of the weights beside it is
    multiplied by (-1)^k.

    Attributes:
        name: What to call it.
        group: Index of the neuron group.
        period: π / ω, in units of the bias.
    """

    name: str
    group: int
    period: float


class Factor(NamedTuple):
    """One factor |λ|^power · sgn(λ)^parity of a scale, where λ is the multiplier of ``scale_class``."""

    scale_class: int
    power: float
    parity: int


Scale = tuple[Factor, ...]
"""A monomial in the multipliers of scale classes; the empty product is 1."""
