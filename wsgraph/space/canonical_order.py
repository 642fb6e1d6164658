"""A canonical order of units: by one number for each, refined from the numbers of its neighbours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from wsgraph.space.across import crossed_order, for_parts, lineage
from wsgraph.space.canonical_tables import Table, fixed_numbers

if TYPE_CHECKING:
    from wsgraph.space.weight_space import WeightSpace

ROUNDS = 3
"""How many steps away units may be by which two units are told apart."""


def orders(space: WeightSpace, tables: Sequence[Table], numbers: Sequence[Tensor]) -> list[Tensor]:
    """The units of every group by ascending keys, within pieces where there are any, ``[..., size]``.

    Args:
        space: The weight space.
        tables: Of its blocks, with canonical magnitudes and signs.
        numbers: See :func:`wsgraph.space.canonical_tables.position_numbers`.
    """
    keys = unit_keys(space, tables, numbers)
    found: dict[int, Tensor] = {}
    for group in range(len(space.groups)):
        _sort(space, group, keys, found)
    return [found[i] for i in range(len(space.groups))]


def unit_keys(space: WeightSpace, tables: Sequence[Table], numbers: Sequence[Tensor]) -> list[Tensor]:
    """One number for each unit, the same wherever the unit stands, ``[..., size]``.

    In each round a unit adds up its numbers in all blocks, incoming and outgoing, each times a feature of the unit at
    the other end; its new feature is a bounded function of the sum. At first, only units that keep their places differ.
    """
    tables = [table.of_size_one() for table in tables]
    batch = tables[0].batch if tables else ()
    keys = [n.new_zeros(*batch, len(n)) for n in numbers]
    for _ in range(ROUNDS):
        features = [n * (1 + _squashed(key)) for n, key in zip(numbers, keys, strict=True)]
        terms: dict[int, list[Tensor]] = defaultdict(list)
        for number, table in enumerate(tables):
            spread = fixed_numbers(number, np.arange(len(table.block.axes))).tolist()
            for i, axis in enumerate(table.block.axes):
                if axis.group in space.moving_groups:
                    vectors = [features[a.group] for a in table.block.axes]
                    sums = table.along(i, table.signed, vectors)
                    terms[axis.group].append(spread[i] * len(numbers[axis.group]) ** 0.5 * sums)
        keys = [torch.stack(terms[i]).sum(0) if i in terms else key for i, key in enumerate(keys)]
        _join_pieces(space, keys, numbers)
    return keys


def _join_pieces(space: WeightSpace, keys: list[Tensor], numbers: Sequence[Tensor]) -> None:
    """Larger units learn of their parts, and parts of the unit that they belong to, in place."""
    nested = [(i, g.parent) for i, g in enumerate(space.groups) if g.parent in space.moving_groups]
    nested.sort(key=lambda pair: len(lineage(space, pair[0])), reverse=True)
    for part, whole in nested:
        inside = (numbers[part] * _squashed(keys[part])).unflatten(-1, (len(numbers[whole]), -1))
        keys[whole] = keys[whole] + fixed_numbers(-1, np.array([part])).item() * inside.mean(-1)
    for part, whole in reversed(nested):
        keys[part] = keys[part] + for_parts(space, _squashed(keys[whole]), part, whole)


def _squashed(keys: Tensor) -> Tensor:
    return keys / (1 + keys.abs())


def _sort(space: WeightSpace, number: int, keys: Sequence[Tensor], found: dict[int, Tensor]) -> Tensor:
    """Sort a group after the group that its units are parts of."""
    if number not in found:
        group, key = space.groups[number], keys[number]
        if group.fixed:
            key = torch.arange(group.size, device=key.device).expand(key.shape)
        if group.parent is None:
            found[number] = key.argsort(dim=-1, stable=True)
        else:
            above = _sort(space, group.parent, keys, found)
            if group.across is not None:
                _sort(space, group.across, keys, found)
                found[number] = crossed_order(space, number, found)
                return found[number]
            within = key.unflatten(-1, (above.shape[-1], -1)).argsort(dim=-1, stable=True)
            size = within.shape[-1]
            within = within.gather(-2, above[..., None].expand(within.shape))
            found[number] = (above[..., None] * size + within).flatten(-2)
    return found[number]
