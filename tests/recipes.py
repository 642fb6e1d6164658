"""Steps of random networks: a registry of kinds, readable recipes, and the modules that they stand for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

VECTOR, TOKENS, IMAGE = "vector", "tokens", "image"
SAME = "same"
MAX_WIDTH = 8
BODY = object()
"""In place of the choices of an option: steps that are drawn themselves."""


@dataclass(frozen=True)
class Place:
    """What flows between two steps: ``[2, units]``, ``[2, size, units]`` or ``[2, units, size, size]``."""

    kind: str
    width: int
    size: int = 1

    @property
    def shape(self) -> tuple[int, ...]:
        by_kind = {VECTOR: (self.width,), TOKENS: (self.size, self.width), IMAGE: (self.width, self.size, self.size)}
        return (2, *by_kind[self.kind])

    @property
    def dim(self) -> int:
        """The axis of the units."""
        return 1 if self.kind == IMAGE else -1

    @property
    def positions(self) -> tuple[int, ...]:
        """The axes of tokens or pixels."""
        return {VECTOR: (), TOKENS: (1,), IMAGE: (2, 3)}[self.kind]


# ------------------------------------------------------------------------------------------------ kinds of steps


Make = Callable[..., nn.Module]


@dataclass(frozen=True)
class Kind:
    """A kind of step: what makes its module, where it may stand, and what may be chosen.

    Attributes:
        make: From a place and options to a module.
        places: The kinds of places where the step may stand.
        options: Choices for each option, the plainest first; or ``BODY``.
        units_last: Whether the module of images is given its channels as the last axis.
        to: The kind of place after it, ``SAME`` if it may be of another size; None for a step that keeps its place, as
            those in bodies must.
    """

    make: Make
    places: tuple[str, ...]
    options: dict[str, Any]
    units_last: bool
    to: str | None

    @property
    def defaults(self) -> dict[str, Any]:
        return {name: (Step("linear"),) if choices is BODY else choices[0] for name, choices in self.options.items()}


KINDS: dict[str, Kind] = {}


def register(*places: str, units_last: bool = False, to: str | None = None, **options: Any) -> Callable[[Make], Make]:
    """A decorator that makes a function a kind of step, of its own name; all places if none is named."""

    def add(make: Make) -> Make:
        KINDS[make.__name__] = Kind(make, places or (VECTOR, TOKENS, IMAGE), options, units_last, to)
        return make

    return add


@dataclass(frozen=True, repr=False)
class Step:
    """One step of a recipe, with the options that differ from the plainest."""

    name: str
    options: tuple[tuple[str, Any], ...] = ()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """How hypothesis prints it."""
        printer.text(repr(self))

    def __repr__(self) -> str:
        return f"step({', '.join([repr(self.name), *(f'{name}={value!r}' for name, value in self.options)])})"


Steps = tuple[Step, ...]


def step(name: str, **options: Any) -> Step:
    """A step of this kind; options that are left out are the plainest."""
    defaults = KINDS[name].defaults
    return Step(name, tuple((key, value) for key, value in options.items() if value != defaults[key]))


# ------------------------------------------------------------------------------------------------ modules to wire


class Formula(nn.Module):
    """A function of the input and of modules and parameters."""

    def __init__(self, function: Callable[..., Any], *parts: nn.Module | nn.Parameter) -> None:
        super().__init__()
        self.function = function
        self.names = [f"{'weight' if isinstance(part, nn.Parameter) else 'part'}{i}" for i, part in enumerate(parts)]
        for name, part in zip(self.names, parts, strict=True):
            setattr(self, name, part)

    def forward(self, x: Tensor) -> Any:
        return self.function(x, *(getattr(self, name) for name in self.names))


def weight(*shape: int) -> nn.Parameter:
    """A parameter; its numbers come later."""
    return nn.Parameter(torch.zeros(shape))


def square(n: int) -> nn.Linear:
    """As many outputs as inputs."""
    return nn.Linear(n, n)


def units_first(body: nn.Module) -> nn.Module:
    """A module of ``[batch, units, tokens]`` on tokens."""
    return Formula(lambda x, body: body(x.transpose(1, 2)).transpose(1, 2), body)


def affine(at: Place, outputs: int | None = None, bias: bool = True, kernel: int = 1) -> nn.Module:
    """A linear map of the units at a place, to as many if not told."""
    outputs = at.width if outputs is None else outputs
    if at.kind == IMAGE:
        return nn.Conv2d(at.width, outputs, kernel, padding=kernel // 2, bias=bias)
    return nn.Linear(at.width, outputs, bias)


# ------------------------------------------------------------------------------------------------ steps to modules


def place_after(module: nn.Module, at: Place) -> Place:
    """What flows after a module."""
    with torch.no_grad():
        shape = module.eval()(torch.ones(at.shape)).shape
    kind = {2: VECTOR, 3: TOKENS, 4: IMAGE}[len(shape)]
    units, size = (shape[1], shape[-1]) if kind == IMAGE else (shape[-1], shape[1])
    return Place(kind, units, size if kind != VECTOR else 1)


def chain(steps: Sequence[Step], at: Place) -> tuple[nn.Sequential, Place]:
    """The modules of some steps, one after the other, and what flows behind them."""
    modules: list[nn.Module] = []
    for one in steps:
        kind = KINDS[one.name]
        module = kind.make(at, **{**kind.defaults, **dict(one.options)})
        if kind.units_last and at.kind == IMAGE:
            module = Formula(lambda x, body: body(x.movedim(1, -1)).movedim(-1, 1), module)
        modules.append(module)
        at = place_after(module, at)
        if at.width > MAX_WIDTH:
            modules.append(affine(at, MAX_WIDTH // 2))
            at = place_after(modules[-1], at)
    return nn.Sequential(*modules), at


def body_of(steps: Sequence[Step], at: Place, outputs: int | None = None) -> nn.Sequential:
    """Some steps as one module with as many outputs as inputs, or as told."""
    modules, after = chain(steps, at)
    outputs = at.width if outputs is None else outputs
    return modules if after.width == outputs else modules.append(affine(after, outputs))
