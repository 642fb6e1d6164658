"""Random elements of the symmetry group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from wsgraph.errors import SpaceError
from wsgraph.space.across import crossed_order
from wsgraph.space.draws import device_of, normal, uniform, whole
from wsgraph.space.matrices import draw_matrices
from wsgraph.space.part_products import with_product
from wsgraph.space.scale import ScaleClass
from wsgraph.space.symmetry import Symmetry

if TYPE_CHECKING:
    from wsgraph.space.weight_space import WeightSpace

MAX_TURNS = 2
"""Half turns of a sine are drawn from -MAX_TURNS to MAX_TURNS."""


def random_symmetry(
    space: WeightSpace,
    generator: torch.Generator | None = None,
    permute: bool = True,
    scale: bool = True,
    max_scale: float = 10.0,
    batch_size: int | None = None,
    linear: bool = False,
    shifts: bool = False,
) -> Symmetry:
    """See :meth:`wsgraph.WeightSpace.random_symmetry`."""
    if not max_scale >= 1:
        raise SpaceError(
            f"max_scale must be at least 1, got {max_scale}: multipliers lie in [1 / max_scale, max_scale]."
        )
    batch = () if batch_size is None else (batch_size,)
    orders: dict[int, Tensor] = {}
    for group in range(len(space.groups)):
        _draw_order(space, group, orders, generator, permute, batch)
    multipliers = tuple(_multipliers(space, c, batch, generator, max_scale, scale) for c in space.scales)
    matrices = tuple(
        draw_matrices(g.linear, batch, space.num_pieces(i), g.size // space.num_pieces(i), generator, max_scale)
        if linear and scale and g.linear
        else None
        for i, g in enumerate(space.groups)
    )
    turns = tuple(_turns((*batch, space.groups[c.group].size), generator, scale) for c in space.phases)
    added = tuple(normal(*batch, *s.runs, generator=generator) if shifts else None for s in space.shifts)
    return Symmetry(space, tuple(orders[i] for i in range(len(space.groups))), multipliers, turns, matrices, added)


def _draw_order(
    space: WeightSpace,
    number: int,
    orders: dict[int, Tensor],
    generator: torch.Generator | None,
    permute: bool,
    batch: tuple[int, ...],
) -> None:
    """Draw the order of a group, and that of its parent before it."""
    if number in orders:
        return
    group = space.groups[number]
    keys = torch.arange(group.size, device=device_of(generator)).expand(*batch, -1)
    if permute and not group.fixed:
        keys = uniform(*batch, group.size, generator=generator)
    if group.parent is None:
        orders[number] = keys.argsort(dim=-1)
        return
    if group.across is not None:
        for larger in (group.parent, group.across):
            _draw_order(space, larger, orders, generator, permute, batch)
        orders[number] = crossed_order(space, number, orders)
        return
    _draw_order(space, group.parent, orders, generator, permute, batch)
    above = orders[group.parent]
    size = group.size // space.groups[group.parent].size
    within = keys.unflatten(-1, (-1, size)).argsort(dim=-1)
    within = within.gather(-2, above[..., None].expand(within.shape))
    orders[number] = (above[..., None] * size + within).flatten(-2)


def _multipliers(
    space: WeightSpace,
    scale_class: ScaleClass,
    batch: tuple[int, ...],
    generator: torch.Generator | None,
    max_scale: float,
    scale: bool,
) -> Tensor:
    """Magnitudes log-uniform in [1 / max_scale, max_scale], signs even; ones where ``scale`` is off."""
    shape = (*batch, space.groups[scale_class.group].size)
    out = torch.ones(shape, dtype=torch.float64, device=device_of(generator))
    if scale and scale_class.values.has_magnitude:
        out = max_scale ** (2 * uniform(*shape, generator=generator) - 1)
    if scale and scale_class.values.has_sign:
        out = out * (2 * whole(0, 1, *shape, generator=generator) - 1)
    if scale_class.unit_over is not None:
        total = out.new_ones(*batch, space.groups[scale_class.unit_over].size)
        out = with_product(out, torch.ones_like(out, dtype=torch.bool), torch.ones_like(out), total)
    return out


def _turns(shape: tuple[int, ...], generator: torch.Generator | None, scale: bool) -> Tensor:
    """A few half turns; none where ``scale`` is off."""
    if not scale:
        return torch.zeros(shape, dtype=torch.float64, device=device_of(generator))
    return whole(-MAX_TURNS, MAX_TURNS, *shape, generator=generator)
