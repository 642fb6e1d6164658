"""What a model returns, cut into parts that are judged by their own size, and where two of them differ most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wsgraph.graph import NeuronGraph
from wsgraph.space import WeightSpace

Answer = Tensor | NeuronGraph
"""What a model over networks returns: a row for each network, or new weights for each."""

SMALL_PART = 1e-3
"""Parts below this share of the largest one are judged by that share, since they may be rounding errors of it."""


@dataclass(frozen=True)
class Part:
    """Numbers of several networks that have a size in common: one tensor of weights, or the outputs.

    Attributes:
        values: ``[networks, ...]``, or any shape for numbers of one network.
        place: Words for where an entry is, from its index in ``values``.
    """

    values: Tensor
    place: Callable[[tuple[int, ...]], str]


@dataclass(frozen=True)
class Deviation:
    """The worst disagreement between two answers: a relative error, and words for where and what."""

    error: float
    words: str


def parts_of(answer: Answer) -> list[Part]:
    """The outputs as one part, or every block of the weights as a part."""
    if isinstance(answer, Tensor):
        return [Part(answer, lambda index: f"output {list(index[1:])} of network {index[0]}")]
    found, first = [], 0
    for space, matrix in answer.matrices():
        found += [Part(space.block_view(matrix, i), _place(space, i, first)) for i in range(len(space.blocks))]
        first += len(matrix)
    return [part for part in found if part.values.numel()]


def deviation(got: Sequence[Part], expected: Sequence[Part]) -> Deviation:
    """Where ``got`` is farthest from ``expected``, relative to the size of the part."""
    largest = max(_size(part.values) for part in expected)
    worst = Deviation(0.0, "no difference")
    for ours, theirs in zip(got, expected, strict=True):
        distance = (ours.values - theirs.values).abs()
        size = max(_size(theirs.values), SMALL_PART * largest)
        error = _size(distance) / size if size else float(_size(distance) > 0)
        if error > worst.error:
            index = np.unravel_index(int(distance.argmax()), tuple(distance.shape))
            at = tuple(int(i) for i in index)
            found, wanted = _number(ours.values[at]), _number(theirs.values[at])
            worst = Deviation(error, f"{ours.place(at)} is {found}, not {wanted}")
    return worst


def assert_close(got: Sequence[Part], expected: Sequence[Part], limit: float, what: str, advice: str = "") -> None:
    """Fail with the worst entry if it is off by more than the limit."""
    __tracebackhide__ = True
    worst = deviation(got, expected)
    if worst.error > limit:
        raise AssertionError(f"{what}: relative error {worst.error:.1e}, {limit:.0e} allowed; {worst.words}.{advice}")


def assert_finite(parts: Sequence[Part], what: str) -> None:
    """Fail with the first entry that is NaN or infinite."""
    __tracebackhide__ = True
    for part in parts:
        wrong = (~torch.isfinite(part.values)).nonzero()
        if len(wrong):
            at = tuple(int(i) for i in wrong[0])
            raise AssertionError(f"{what}: {part.place(at)} is {_number(part.values[at])}, so nothing is proven.")


def spread(answer: Answer) -> float:
    """How much networks of one weight space differ in the answer, relative to the size of each part."""
    parts = parts_of(answer)
    largest = max((_size(part.values) for part in parts), default=0.0)
    differences = [0.0]
    for part in parts:
        size = max(_size(part.values), SMALL_PART * largest)
        if size:
            differences.append(_size(part.values - part.values[:1]) / size)
    return max(differences)


def _place(space: WeightSpace, block: int, first: int) -> Callable[[tuple[int, ...]], str]:
    tensor = space.blocks[block].tensor
    shape = next(t.shape for t in space.tensors if t.name == tensor)

    def place(index: tuple[int, ...]) -> str:
        position = int(space.blocks[block].index()[index[1:]].reshape(-1)[0])
        entry = [int(i) for i in np.unravel_index(position, shape)]
        return f"{tensor!r}{entry} of network {first + index[0]}"

    return place


def _size(values: Tensor) -> float:
    return float(values.abs().max()) if values.numel() else 0.0


def _number(value: Tensor) -> str:
    return f"{float(value):.6g}"
