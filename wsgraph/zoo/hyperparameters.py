"""How networks are trained: what each hyperparameter is drawn from, and what was drawn for one network."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

import torch

from wsgraph.errors import WSGraphError
from wsgraph.zoo.distributions import Choice, Constant, Distribution, LogUniform, Number, from_plain, to_plain
from wsgraph.zoo.optimizer import OPTIMIZERS


@dataclass(frozen=True)
class Drawn:
    """The hyperparameters of one network; the attributes are columns of the table of a data set."""

    optimizer: str
    lr: float
    weight_decay: float
    momentum: float
    initial_scale: float
    dropout: float | None
    fraction: float
    epochs: int


@dataclass(frozen=True)
class Hyperparameters:
    """What the hyperparameters of every network are drawn from, independently.

    Attributes:
        optimizer: ``"sgd"``, ``"adam"`` or ``"rmsprop"``, as in ``torch.optim``.
        lr: The learning rate.
        weight_decay: Added to the gradient, times the weight.
        momentum: Of SGD; the other optimisers have none of this kind.
        initial_scale: Factor of all initial parameters of two or more dimensions.
        dropout: The rate of every ``nn.Dropout``; None for the rates that the network came with.
        fraction: Share of the training data that a network gets to see, the same in all its epochs.
        epochs: Passes through that share.

    Raises:
        WSGraphError: A value that could be drawn is out of range.

    Example:
        >>> import torch
        >>> from wsgraph.zoo import Choice, Constant, Hyperparameters, LogUniform
        >>> space = Hyperparameters(lr=LogUniform(1e-3, 1e-1), optimizer=Constant("sgd"), epochs=Choice(5, 10))
        >>> space.draw(torch.Generator().manual_seed(0)).optimizer
        'sgd'
        >>> Hyperparameters.from_json(space.to_json()) == space
        True
    """

    optimizer: Distribution = field(default=Choice(*OPTIMIZERS))
    lr: Distribution = field(default=LogUniform(5e-4, 5e-2))
    weight_decay: Distribution = field(default=LogUniform(1e-8, 1e-2))
    momentum: Distribution = field(default=Constant(0.9))
    initial_scale: Distribution = field(default=LogUniform(0.7, 3.0))
    dropout: Distribution | None = None
    fraction: Distribution = field(default=Choice(0.1, 0.25, 0.5, 1.0))
    epochs: Distribution = field(default=Constant(20))

    def __post_init__(self) -> None:
        for name, (expected, is_right) in _RANGES.items():
            distribution = getattr(self, name)
            wrong = [] if distribution is None else [v for v in distribution.extremes if not is_right(v)]
            if wrong:
                raise WSGraphError(f"Expected {name} {expected}, but {distribution!r} may give {wrong[0]!r}.")

    def draw(self, generator: torch.Generator) -> Drawn:
        """The hyperparameters of one network; the same share of the generator goes to the same one, whatever it is."""
        shares = torch.rand(len(fields(self)), generator=generator, dtype=torch.float64).tolist()
        distributions = [(own.name, getattr(self, own.name)) for own in fields(self)]
        values: dict[str, Any] = {
            name: None if distribution is None else distribution.at(share)
            for (name, distribution), share in zip(distributions, shares, strict=True)
        }
        return Drawn(**values)

    def to_json(self) -> str:
        """All distributions as JSON."""
        named = {own.name: getattr(self, own.name) for own in fields(self)}
        return json.dumps({name: None if value is None else to_plain(value) for name, value in named.items()})

    @classmethod
    def from_json(cls, text: str) -> Hyperparameters:
        """The inverse of :meth:`to_json`."""
        named: dict[str, Any] = json.loads(text)
        distributions: dict[str, Any] = {k: None if v is None else from_plain(v) for k, v in named.items()}
        return cls(**distributions)


def _number(test: Callable[[float], bool]) -> Callable[[Number], bool]:
    return lambda value: not isinstance(value, str) and test(value)


_RANGES: dict[str, tuple[str, Callable[[Number], bool]]] = {
    "optimizer": (f"out of {', '.join(OPTIMIZERS)}", lambda value: value in OPTIMIZERS),
    "lr": ("of more than 0", _number(lambda value: value > 0)),
    "weight_decay": ("of at least 0", _number(lambda value: value >= 0)),
    "momentum": ("from 0 to below 1", _number(lambda value: 0 <= value < 1)),
    "initial_scale": ("of more than 0", _number(lambda value: value > 0)),
    "dropout": ("from 0 to below 1", _number(lambda value: 0 <= value < 1)),
    "fraction": ("of more than 0, at most 1", _number(lambda value: 0 < value <= 1)),
    "epochs": ("that are whole numbers of at least 1", lambda value: isinstance(value, int) and value >= 1),
}
