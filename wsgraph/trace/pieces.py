"""Calls that take a piece of a value: slices, chunks, and single indices of an axis."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx

SPLITS = ("chunk", "split", "split_with_sizes", "tensor_split", "unsafe_chunk", "unsafe_split", "unbind")


@dataclass(frozen=True)
class Piece:
    """A range of one axis of a value; of the size None, one index of an axis that goes away."""

    source: fx.Node
    dim: int
    start: int
    size: int | None


def piece_of(node: fx.Node) -> Piece | None:
    """The piece that a call takes; None for any other call."""
    if node.target is operator.getitem:
        split, number = node.args
        return _one_of_many(split, number) if isinstance(split, fx.Node) and isinstance(number, int) else None
    name = operator_of(node)
    if name not in ("slice", "narrow", "select"):
        return None
    given = _arguments(node)
    source: fx.Node = given["self" if "self" in given else "input"]
    dim = given["dim"] % source.meta["val"].dim()
    size = int(source.meta["val"].shape[dim])
    if name == "select":
        return Piece(source, dim, given["index"] % size, None)
    end = given["start"] + given["length"] if name == "narrow" else given["end"]
    taken = range(size)[given["start"] : end : given.get("step", 1)]
    return Piece(source, dim, taken.start, len(taken)) if taken.step == 1 and taken else None


def _one_of_many(split: fx.Node, number: int) -> Piece | None:
    name = operator_of(split)
    if name not in SPLITS:
        return None
    given = _arguments(split)
    source: fx.Node = given["self"]
    dim = given["dim"] % source.meta["val"].dim()
    if name == "unbind":
        return Piece(source, dim, number, None)
    sizes = [int(part.shape[dim]) for part in split.meta["val"]]
    return Piece(source, dim, sum(sizes[:number]), sizes[number])


def operator_of(node: fx.Node) -> str:
    """The name of the ATen operator that a node calls; empty for anything else."""
    return node.target._schema.name.split("::")[-1] if isinstance(node.target, torch._ops.OpOverload) else ""


def _arguments(node: fx.Node) -> dict[str, Any]:
    """The arguments of an ATen call by name."""
    assert isinstance(node.target, torch._ops.OpOverload)
    arguments = node.target._schema.arguments
    given = {a.name: node.kwargs.get(a.name, a.default_value) for a in arguments}
    return given | dict(zip((a.name for a in arguments), node.args, strict=False))
