"""From what parameters may get to the shifts of the blocks that they are made of."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from torch import fx
from torch.export.graph_signature import ExportGraphSignature, InputKind

from wsgraph.space import Shift, WeightSpace
from wsgraph.space.parts import Block
from wsgraph.space.shift import commutes
from wsgraph.trace.additive.blind import Blind, Family, both
from wsgraph.trace.additive.walk import blind_inputs
from wsgraph.trace.legs import Ints


def find_shifts(graph: fx.Graph, signature: ExportGraphSignature, space: WeightSpace) -> tuple[Shift, ...]:
    """The shifts of every block of a traced program, none of which is part of another."""
    specs = {t.name: t for t in space.tensors if t.is_floating}
    names: dict[str, Any] = {spec.arg.name: spec for spec in signature.input_specs}
    families: dict[str, Family] = {}
    for node, family in blind_inputs(graph).items():
        spec = names[node.name]
        known = specs.get(spec.target) if spec.kind in (InputKind.PARAMETER, InputKind.BUFFER) else None
        if known is not None:
            key = known.same_as or known.name
            families[key] = both(families[key], family) if key in families else family
    found: list[Shift] = []
    for number, block in enumerate(space.blocks):
        for blind in families.get(block.tensor, ()):
            runs = _runs(space, number, block, blind, specs[block.tensor].shape) if blind.read else None
            if runs is not None:
                found.append(Shift(number, runs))
    found = list(dict.fromkeys(found))
    return tuple(s for s in found if not any(s.within(other) for other in found if other != s))


def _runs(
    space: WeightSpace, number: int, block: Block, blind: Blind, shape: tuple[int, ...]
) -> tuple[int, ...] | None:
    """The largest number of runs along each axis of a block so that all entries of a class are in one run."""
    if 0 in block.shape:
        return None
    classes = _classes(block, blind, shape)
    if classes is None:
        return None
    options = [list(_options(space, block, axis, label)) for axis, label in enumerate(classes)]
    for runs in sorted(product(*options), key=lambda runs: -np.prod(runs)):
        if commutes(space, Shift(number, runs)):
            return runs
    return None


def _options(space: WeightSpace, block: Block, dim: int, label: Ints) -> Iterator[int]:
    """Numbers of runs along one axis of a block in which no class is in two runs."""
    size, group = len(label), block.axes[dim].group if dim < len(block.axes) and block.pieces == 1 else None
    counts = {size, 1}
    while group is not None:
        counts.add(space.groups[group].size)
        group = space.groups[group].parent
    for count in counts:
        if size % count == 0:
            run = np.arange(size) // (size // count)
            if len(np.unique(_pairs([label, run]))) == len(np.unique(label)):
                yield count


def _classes(block: Block, blind: Blind, shape: tuple[int, ...]) -> list[Ints] | None:
    """The classes of the indices of each axis of a block; None where some have to stay, or reach beyond the block."""
    strides = [int(np.prod(shape[axis + 1 :])) for axis in range(len(shape))]
    lines = [np.asarray(o, dtype=np.int64) for o in (*(a.offsets for a in block.axes), *block.kernel)]
    start = sum(int(line[0]) for line in lines)
    seen: set[int] = set()
    found = []
    for line in lines:
        places = [(start + line - line[0]) // stride % size for stride, size in zip(strides, shape, strict=True)]
        own = {axis for axis, place in enumerate(places) if (place != place[0]).any()}
        if seen & own:
            return None
        seen |= own
        labels = [blind.labels[axis][places[axis]] for axis in sorted(own)]
        if any(_reaches_out(blind.labels[axis], places[axis]) for axis in own) or any((n < 0).any() for n in labels):
            return None
        found.append(_pairs([np.zeros(len(line), dtype=np.int64), *labels]))
    for axis, (stride, size) in enumerate(zip(strides, shape, strict=True)):
        place = np.array([start // stride % size])
        if axis not in seen and (_reaches_out(blind.labels[axis], place) or blind.labels[axis][place[0]] < 0):
            return None
    return found if block.pieces == 1 else _in_pieces(block, found)


def _in_pieces(block: Block, classes: list[Ints]) -> list[Ints] | None:
    """The same for blocks of several pieces: a class of its own for each piece; None where classes are in several."""
    rows = [label.reshape(block.pieces, -1) for label in classes[: len(block.axes)]]
    if not any(len(np.unique(row)) == sum(len(np.unique(piece)) for piece in row) for row in rows):
        return None
    free = [all(len(np.unique(piece)) == len(piece) for piece in row) for row in rows]
    within = [np.arange(row.shape[1]) * int(one) for row, one in zip(rows, free, strict=True)]
    return [np.arange(block.pieces), *within, *classes[len(block.axes) :]]


def _pairs(labels: list[Ints]) -> Ints:
    """Numbers of the tuples of classes, index by index."""
    found = labels[0]
    for label in labels[1:]:
        found = np.unique(found * (int(label.max(initial=0)) + 1) + label, return_inverse=True)[1].reshape(-1)
    return found


def _reaches_out(label: Ints, places: Ints) -> bool:
    """Whether a class of some places has others, too."""
    inside = np.zeros(len(label), dtype=bool)
    inside[places] = True
    return bool(np.isin(label[~inside], label[inside]).any())
