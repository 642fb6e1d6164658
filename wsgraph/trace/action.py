"""How matrices act on a group of units, wherever these stand in the values of a trace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wsgraph.space import MatrixSet
from wsgraph.space.draws import normal
from wsgraph.space.matrices import draw_matrices
from wsgraph.trace.crossings import base_units
from wsgraph.trace.legs import LEG, Ints, Label
from wsgraph.trace.planes import Coordinates
from wsgraph.trace.solve import Partition


class Incomplete(Exception):
    """A value that has some of the units on which a matrix acts, and lacks others."""


@dataclass(frozen=True)
class Frames:
    """Where the units stand that each matrix acts on.

    Attributes:
        number: ``[k]``, which matrix.
        places: ``[k, n]``, positions along the flattened axes of the label.
    """

    number: Ints
    places: Ints

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Frames):
            return NotImplemented
        return np.array_equal(self.number, other.number) and np.array_equal(self.places, other.places)


@dataclass(frozen=True)
class Action:
    """A random matrix for each piece of a group, or for each of its planes.

    Attributes:
        size: How many units n each matrix acts on.
        act: The matrices of some numbers ``[k]`` times values ``[..., k, n]``.
        number: ``[legs]``, which matrix acts on the leg, or -1.
        place: ``[legs]``, which row of it.
        copy: ``[legs]``, tells apart the copies of the units that a value may have beside each other.
    """

    size: int
    act: Callable[[Tensor, Tensor], Tensor]
    number: Ints
    place: Ints
    copy: Ints

    def acts_on(self, label: Label) -> bool:
        """Whether a label has units of the group."""
        return bool((self.number[label[LEG]] >= 0).any())

    def frames(self, label: Label) -> Frames | None:
        """Where the matrices act; None if nowhere.

        Raises:
            Incomplete: Units that a matrix would mix with these are not there.
        """
        legs = label[LEG].reshape(-1)
        places = np.flatnonzero(self.number[legs] >= 0)
        if not len(places):
            return None
        legs = legs[places]
        keys = self.place[legs], _occurrence(legs), self.copy[legs], self.number[legs]
        order, n = np.lexsort(keys), self.size
        if len(order) % n:
            raise Incomplete
        place, *others = (key[order].reshape(-1, n) for key in keys)
        if (place != np.arange(n)).any() or any((key != key[:, :1]).any() for key in others):
            raise Incomplete
        rows = places[order].reshape(-1, n)
        ranked = rows[:, 0].argsort()
        return Frames(others[-1][:, 0][ranked], rows[ranked])

    def move(self, values: Tensor, labels: tuple[Label, ...]) -> Tensor:
        """A value after the matrices have acted on its units."""
        for label in labels:
            frames = self.frames(label)
            if frames is not None:
                values = self._moved(values, label, frames)
        return values

    def _moved(self, values: Tensor, label: Label, frames: Frames) -> Tensor:
        axes = [i for i, n in enumerate(label.shape[1:]) if n > 1]
        last = list(range(values.dim() - len(axes), values.dim()))
        turned = values.movedim(axes, last)
        flat, places = turned.flatten(last[0]).clone(), torch.from_numpy(frames.places)
        flat[..., places] = self.act(torch.from_numpy(frames.number), flat[..., places])
        return flat.reshape(turned.shape).movedim(last, axes)


def draw_action(
    units: Partition, group: int, kind: MatrixSet, coordinates: Coordinates, generator: torch.Generator
) -> Action:
    """Random matrices on a group: a reflection of each piece, which all of O(n) is made of, or a turn of each plane."""
    base, ranks = base_units(units)
    member, rank = base[units.slot] == group, ranks[units.slot]
    size = int((units.group == group).sum())
    above = int(units.parent[group])
    pieces = int((units.group == above).sum()) if above >= 0 else 1
    n = size // pieces
    if kind is MatrixSet.ORTHOGONAL:
        normals = torch.nn.functional.normalize(normal(pieces, n, generator=generator), dim=-1)

        def reflected(number: Tensor, values: Tensor) -> Tensor:
            v = normals[number]
            return values - 2 * v * (v * values).sum(-1, keepdim=True)

        return Action(n, reflected, np.where(member, rank // n, -1), rank % n, units.kind)
    turns = draw_matrices(kind, (), pieces, n, generator, 1.0)

    def turned(number: Tensor, values: Tensor) -> Tensor:
        return (turns[number] @ values[..., None])[..., 0]

    place, copy = np.full_like(rank, -1), np.full_like(rank, -1)
    own, kinds = units.rank[units.slot], int(units.kind.max(initial=0)) + 1  # units at crossings have copies
    for of_kind, (coordinate, partner) in coordinates.items():
        here = member & (units.kind == of_kind)
        place[here], copy[here] = coordinate, own[here] * kinds + min(of_kind, partner)
    return Action(2, turned, np.where(place >= 0, rank, -1), place, copy)


def _occurrence(legs: Ints) -> Ints:
    """How many earlier entries are the same."""
    order = np.argsort(legs, kind="stable")
    ranked = legs[order]
    first = np.r_[0, np.flatnonzero(np.diff(ranked)) + 1]
    found = np.empty_like(legs)
    found[order] = np.arange(len(legs)) - np.repeat(first, np.diff(np.r_[first, len(legs)]))
    return found
