"""What a hyperparameter is drawn from: a range, a logarithmic range, some options, or one value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from wsgraph.errors import WSGraphError

Number = float | int | str


class Distribution(Protocol):
    """A frozen value that turns a number between 0 and 1 into a hyperparameter."""

    @property
    def extremes(self) -> tuple[Number, ...]:
        """Values between which, or out of which, all others are."""
        ...

    def at(self, share: float) -> Number:
        """The quantile of a share in [0, 1): of a uniform share, a draw."""
        ...


@dataclass(frozen=True)
class Uniform:
    """All numbers between two, alike.

    Raises:
        WSGraphError: The ends are not finite, or not in order.

    Example:
        >>> from wsgraph.zoo import Uniform
        >>> Uniform(0.0, 0.5).at(0.5)
        0.25
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_range(self, self.low, self.high)

    @property
    def extremes(self) -> tuple[Number, ...]:
        """The two ends."""
        return self.low, self.high

    def at(self, share: float) -> float:
        """The quantile of a share."""
        return self.low + share * (self.high - self.low)


@dataclass(frozen=True)
class LogUniform:
    """All numbers between two positive ones, with uniform logarithms.

    Raises:
        WSGraphError: The ends are not positive and finite, or not in order.

    Example:
        >>> from wsgraph.zoo import LogUniform
        >>> round(LogUniform(1e-4, 1e-2).at(0.5), 6)
        0.001
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_range(self, self.low, self.high)
        if self.low <= 0:
            raise WSGraphError(f"Expected a positive low end, but got {self!r}; Uniform takes any.")

    @property
    def extremes(self) -> tuple[Number, ...]:
        """The two ends."""
        return self.low, self.high

    def at(self, share: float) -> float:
        """The quantile of a share."""
        return self.low * math.exp(share * math.log(self.high / self.low))


@dataclass(frozen=True, init=False, repr=False)
class Choice:
    """Some options, each as likely.

    Raises:
        WSGraphError: There is no option.

    Example:
        >>> from wsgraph.zoo import Choice
        >>> Choice("sgd", "adam"), Choice("sgd", "adam").at(0.7)
        (Choice('sgd', 'adam'), 'adam')
    """

    options: tuple[Number, ...]

    def __init__(self, *options: Number) -> None:
        if not options:
            raise WSGraphError('Expected at least one option, e.g. Choice("sgd", "adam"), but got none.')
        object.__setattr__(self, "options", options)

    @property
    def extremes(self) -> tuple[Number, ...]:
        """All options."""
        return self.options

    def at(self, share: float) -> Number:
        """The option that a share falls to."""
        return self.options[int(share * len(self.options))]

    def __repr__(self) -> str:
        return f"Choice({', '.join(map(repr, self.options))})"


@dataclass(frozen=True)
class Constant:
    """One value, always.

    Example:
        >>> from wsgraph.zoo import Constant
        >>> Constant(20).at(0.3)
        20
    """

    value: Number

    @property
    def extremes(self) -> tuple[Number, ...]:
        """The value."""
        return (self.value,)

    def at(self, share: float) -> Number:
        """The value."""
        return self.value


_KINDS = {kind.__name__: kind for kind in (Uniform, LogUniform, Choice, Constant)}


def to_plain(distribution: Distribution) -> dict[str, Any]:
    """A distribution as plain values for JSON: its name, and its arguments.

    Example:
        >>> from wsgraph.zoo.distributions import Uniform, to_plain
        >>> to_plain(Uniform(0.0, 1.0))
        {'Uniform': [0.0, 1.0]}
    """
    fields = asdict(distribution)  # type: ignore[call-overload]
    values = fields.get("options", tuple(fields.values()))
    return {type(distribution).__name__: list(values)}


def from_plain(plain: Mapping[str, Any]) -> Distribution:
    """The inverse of :func:`to_plain`.

    Raises:
        WSGraphError: There is no such distribution.
    """
    ((name, arguments),) = plain.items()
    if name not in _KINDS:
        raise WSGraphError(f"Expected one of the distributions {', '.join(_KINDS)}, but got {name!r}.")
    distribution: Distribution = _KINDS[name](*arguments)
    return distribution


def _check_range(distribution: Distribution, low: float, high: float) -> None:
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise WSGraphError(f"Expected two finite ends, the low one first, but got {distribution!r}.")
