"""Operators that treat pieces of one value alike: their sums, maxima and products, as reductions of that value.

``tanh(a) + tanh(b)`` of the halves a, b of one value is the sum of ``tanh(value.unflatten(dim, (2, n)))`` along the new
axis: a and b may change places, unit by unit. In this form, the rules for shapes and for reductions find it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import fx

from wsgraph.trace.legs import LEG
from wsgraph.trace.pieces import Piece, operator_of, piece_of
from wsgraph.trace.solve import Partition
from wsgraph.trace.value import Value

aten = torch.ops.aten
REDUCTIONS: Mapping[Any, Any] = {
    aten.add.Tensor: aten.sum.dim_IntList,
    aten.maximum.default: aten.amax.default,
    aten.max.other: aten.amax.default,
    aten.minimum.default: aten.amin.default,
    aten.min.other: aten.amin.default,
    aten.mul.Tensor: aten.prod.dim_int,
}
"""Operators whose two operands may change places, and what they do to many of them along an axis."""
Chain = tuple[Piece, tuple[fx.Node, ...]]
"""A piece of a value, and the elementwise calls that lead from it to an operand."""
AFFINE = ("add", "sub", "rsub", "mul", "div", "neg", "clone", "_to_copy")
"""Elementwise operators that are affine in one operand if the other is a number."""


@dataclass(frozen=True)
class Alike:
    """Calls that join neighbouring pieces of one value, after the same elementwise calls on each.

    Attributes:
        call: The call whose result has all of them.
        inner: The other calls that join them.
        first: The first piece.
        count: How many pieces there are.
        steps: The elementwise calls on the first piece, in order.
    """

    call: fx.Node
    inner: tuple[fx.Node, ...]
    first: Piece
    count: int
    steps: tuple[fx.Node, ...]


def find_alike(graph: fx.Graph) -> list[Alike]:
    """All sums, maxima and products of neighbouring pieces of one value.

    Sums of pieces that only affine functions met are left out: any numbers may move from one piece to the other, and
    swaps are but a few of these moves.
    """
    found: list[Alike] = []
    inside: set[fx.Node] = set()
    for node in reversed(graph.nodes):
        alike = _alike(node) if node not in inside and _is_joint(node, node.target) else None
        if alike is not None:
            found.append(alike)
            inside.update(alike.inner)
    return found


def as_reductions(graph: fx.Graph, found: Sequence[Alike]) -> tuple[fx.Graph, dict[Alike, fx.Node]]:
    """A copy of a program with reductions in place of these calls, and the reductions."""
    if not found:
        return graph, {}
    at = {alike.call: alike for alike in found}
    copy = fx.Graph()
    nodes: dict[fx.Node, fx.Node] = {}
    for node in graph.nodes:
        nodes[node] = _reduction(copy, at[node], nodes) if node in at else copy.node_copy(node, nodes.__getitem__)
    copy.eliminate_dead_code()
    return copy, {alike: nodes[alike.call] for alike in found}


def change_places(units: Partition, pieces: Value, dim: int, result: Value) -> bool:
    """Whether units may move along an axis over which a reduction was taken: they are alike, and parts of its units."""
    results = {int(units.group[units.slot[leg]]) for label in result.labels for leg in label[LEG].reshape(-1)}
    for label in pieces.along(dim):
        lines = np.moveaxis(label[LEG], dim, 0)
        groups = units.group[units.slot[lines]]
        is_told = (units.kind[lines] != units.kind[lines[:1]]) | (groups != groups[:1]) | units.still[groups]
        above = [units.ancestors(int(group)) for group in np.unique(groups)]
        if is_told.any() or any(results.isdisjoint(groups) for groups in above):
            return False
    return bool(pieces.along(dim))


def _alike(node: fx.Node) -> Alike | None:
    calls, chains = _joined(node)
    if not chains:
        return None
    chains.sort(key=lambda chain: chain[0].start)
    first, steps = chains[0]
    for number, (piece, others) in enumerate(chains):
        expected = replace(first, start=first.start + number * (first.size or 1))
        if piece != expected or [_function(step) for step in others] != [_function(step) for step in steps]:
            return None
    if operator_of(node) == "add" and all(_is_affine(step) for step in steps):
        return None
    return Alike(node, tuple(calls[1:]), first, len(chains), steps)


def _joined(node: fx.Node) -> tuple[list[fx.Node], list[Chain]]:
    """Nested calls of one operator, and the pieces that they join; nothing if they join else, or one piece twice."""
    calls, chains = [node], []
    pieces: set[Piece] = set()
    for call in calls:
        nested = [arg for arg in call.args if isinstance(arg, fx.Node) and _is_joint(arg, node.target)]
        nested = [arg for arg in nested if len(arg.users) == 1]
        for operand in (arg for arg in call.args if arg not in nested):
            chain = _chain(operand)
            if chain is None or chain[0] in pieces:
                return [], []
            pieces.add(chain[0])
            chains.append(chain)
        calls += nested
    return calls, chains


def _is_joint(node: fx.Node, operator: Any) -> bool:
    """Whether a call does what an operator does whose operands may change places."""
    return node.target in REDUCTIONS and REDUCTIONS[node.target] is REDUCTIONS.get(operator) and not node.kwargs


def _chain(operand: Any) -> Chain | None:
    """The piece that an operand is a function of, and the elementwise calls that lead from it."""
    steps: list[fx.Node] = []
    while isinstance(operand, fx.Node):
        piece = piece_of(operand)
        if piece is not None:
            return piece, tuple(reversed(steps))
        tags = getattr(operand.target, "tags", ())
        if torch.Tag.pointwise not in tags or len(operand.users) > 1 or len(operand.all_input_nodes) != 1:
            return None
        steps.append(operand)
        (operand,) = operand.all_input_nodes
    return None


def _is_affine(step: fx.Node) -> bool:
    return operator_of(step) in AFFINE and sum(isinstance(arg, fx.Node) for arg in step.args) == 1


def _function(step: fx.Node) -> Any:
    """What a call does, whatever its one operand is."""
    return step.target, *fx.map_arg((step.args, dict(step.kwargs)), lambda _: None)  # type: ignore[arg-type]


def _reduction(graph: fx.Graph, alike: Alike, nodes: Mapping[fx.Node, fx.Node]) -> fx.Node:
    """The calls that put the pieces beside each other, along the axis of the first one, and reduce them."""
    first, call = alike.first, alike.call
    value, dim, size = nodes[first.source], first.dim, first.size or 1
    if alike.count * size < value.meta["val"].shape[dim]:
        value = _call(graph, aten.slice.Tensor, (value, dim, first.start, first.start + alike.count * size), call)
    if first.size is not None:
        value = _call(graph, aten.unflatten.int, (value, dim, [alike.count, size]), call)
    for step in alike.steps:
        args, kwargs = fx.map_arg((step.args, dict(step.kwargs)), lambda _: value)  # noqa: B023
        value = _call(graph, step.target, args, step, kwargs)
    reduction = REDUCTIONS[call.target]
    return _call(graph, reduction, (value, dim if reduction is aten.prod.dim_int else [dim]), call)


def _call(graph: fx.Graph, target: Any, args: Any, like: fx.Node, kwargs: dict[str, Any] | None = None) -> fx.Node:
    """A call that stands where another one stood."""
    name = target._schema.name.split("::")[-1]
    node = graph.create_node("call_function", target, args, kwargs or {}, name)
    values = fx.map_arg((args, kwargs or {}), lambda used: used.meta["val"])
    node.meta = {**like.meta, "val": target(*values[0], **values[1])}
    return node
