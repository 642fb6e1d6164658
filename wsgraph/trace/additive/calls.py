"""Calls of a program, and the table of what each operator hands back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, fx

from wsgraph.trace.additive.blind import Blind, Family, is_free, kept

Pulled = Iterator[tuple[fx.Node, Family]]
"""What may be added to each tensor among the arguments of a call; nothing to those that do not occur."""


class Call:
    """A call of an operator, and what may be added to its results.

    Attributes:
        name: Of the operator, without overload, as the rules of the trace have it.
        arguments: By the names of the operator's schema, defaults included.
        families: For each of its results, or for the one result.
    """

    def __init__(self, node: fx.Node, families: list[Family]) -> None:
        schema = node.target._schema  # type: ignore[union-attr]
        self.node = node
        self.name = schema.name.split("::")[-1].rstrip("_")
        self.arguments: dict[str, Any] = {a.name: a.default_value for a in schema.arguments}
        self.arguments.update(zip(self.arguments, node.args, strict=False))
        self.arguments.update(node.kwargs)
        self.families = families

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    def first(self, *names: str) -> Any:
        """The first of these arguments that the operator has."""
        return next((self.arguments[name] for name in names if name in self.arguments), None)

    @property
    def family(self) -> Family:
        """Of the first result."""
        return self.families[0]

    def hand(self, node: Any, change: Callable[[Blind], Blind | None]) -> Pulled:
        """To one argument, each of the spaces of the result after a change."""
        if isinstance(node, fx.Node):
            yield node, kept(change(blind) for blind in self.family)


Back = Callable[[Call], Pulled]
_TABLE: dict[str, Back] = {}
_SEVERAL: set[str] = set()


def backward(*operators: str, several: bool = False) -> Callable[[Back], Back]:
    """Register what ATen operators hand back to their arguments.

    Args:
        *operators: Their names.
        several: Whether the function knows of all results; of others, only the first may be read.
    """

    def register(function: Back) -> Back:
        _TABLE.update(dict.fromkeys(operators, function))
        if several:
            _SEVERAL.update(operators)
        return function

    return register


def handed_back(call: Call) -> Pulled:
    """What a call hands back to its arguments; nothing, if no function is registered for it."""
    found = _TABLE.get(call.name)
    if found is None or (call.name not in _SEVERAL and any(_is_read(f) for f in call.families[1:])):
        return iter(())
    return found(call)


def _is_read(family: Family) -> bool:
    return not any(all(is_free(label) for label in blind.labels) for blind in family)


def is_aten(node: fx.Node) -> bool:
    """Whether a node calls an operator that has a schema."""
    return isinstance(node.target, torch._ops.OpOverload)


def shape_of(node: Any) -> tuple[int, ...]:
    """The shape of a tensor."""
    return tuple(int(n) for n in node.meta["val"].shape)


def is_tensor(node: Any) -> bool:
    """Whether a node stands for one tensor."""
    return isinstance(node, fx.Node) and isinstance(node.meta.get("val"), Tensor)


def dims_of(dim: Any, rank: int) -> list[int]:
    """The axes that an argument names; all of them for None."""
    dims = range(rank) if dim is None or dim == [] else dim if isinstance(dim, Iterable) else [dim]
    return sorted(int(d) % max(rank, 1) for d in dims)
