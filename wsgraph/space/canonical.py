"""Canonical forms: one network for all that differ by a symmetry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from wsgraph.errors import SpaceError
from wsgraph.space.canonical_balance import balance
from wsgraph.space.canonical_linear import bases, orthogonal_bases
from wsgraph.space.canonical_order import orders
from wsgraph.space.canonical_plan import magnitudes, signs
from wsgraph.space.canonical_scale import multipliers
from wsgraph.space.canonical_tables import Table, position_numbers, read_tables
from wsgraph.space.matrix_set import MatrixSet
from wsgraph.space.shifting import without_means
from wsgraph.space.symmetry import Symmetry

if TYPE_CHECKING:
    from wsgraph.space.weight_space import WeightSpace

GENERAL, ORTHOGONAL, COMPLEX = MatrixSet.GENERAL, MatrixSet.ORTHOGONAL, MatrixSet.COMPLEX
Bases = Callable[["WeightSpace", Tensor], list[Tensor | None]]


def canonical_weights(space: WeightSpace, weights: Tensor) -> Tensor:
    """Flat weights ``[P]`` or ``[N, P]`` in canonical form, in their own type: :func:`canonical_symmetry`, applied."""
    return canonical_symmetry(space, weights).act(weights.detach().double()).to(weights.dtype)


def canonical_symmetry(space: WeightSpace, weights: Tensor) -> Symmetry:
    r"""The symmetry that brings a network into canonical form, the same form for all g(network), up to rounding.

    In this order, each step blind to all that may still change:

    0. *Shifts*: numbers that may be added are, so that the entries of each run of them have mean 0.
    1. *Half turns*: each bias before a sine is brought into [-period / 2, period / 2].
    2. *Magnitudes*: classes are visited in the order of the forward pass, and the numbers that enter the first layer
       that carries a class (weights and bias; gain and shift of a normalisation) get norm 1 for each unit. Where all of
       them are zero, other layers count, and then the outgoing numbers. Where multipliers have the product 1 over the
       parts of a larger unit, its parts get one norm.
    3. *Bases* of general linear groups: rows become orthonormal on the side where M acts, and orthogonal on the other.
       Planes are turned to their principal axes. Then bases of orthogonal groups: all rows become orthogonal.
    4. *Balance*: one more number for all units of a class makes the weights of all layers of one size, as far as that
       can be done: :func:`~wsgraph.space.canonical_balance.balance`.
    5. *Signs*: in the same order and from the same numbers as magnitudes, the sum Σ r w |w| of each unit is made
       positive (where signs have the product 1, all but the smallest). The fixed r > 0 depend on the kernel position,
       and on the place of units that keep theirs.
    6. *Order*: units are sorted by :func:`~wsgraph.space.canonical_order.unit_keys`, combinations of their incoming and
       outgoing numbers with fixed coefficients, in which each neighbour counts by its own key; units with parts count
       by these, too.

    **Symmetry**: invariant to :meth:`wsgraph.WeightSpace.random_symmetry`, linear groups and shifts included. *Not*
    unique are networks that a step cannot decide on: sums of step 5 or differences of keys (of unequal units) that are
    zero up to rounding, biases on the border of step 1, equal singular values or missing ranks in step 3, and groups
    there that meet each other (then matrices stay out, and multipliers and permutations alone are canonical), turns and
    orthogonal matrices of units without a sign, classes of several units that occur together only, and units without
    function that zeros cut off together.

    Args:
        space: The weight space.
        weights: ``[P]``, or ``[N, P]`` for N networks. All is computed in float64.

    Returns:
        A symmetry, or a batch of N.

    Raises:
        SpaceError: The last axis is not P.

    Example:
        >>> import torch, wsgraph
        >>> space = wsgraph.trace(torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1)))
        >>> weights = torch.randn(5, space.num_weights, generator=torch.Generator().manual_seed(0))
        >>> g = canonical_symmetry(space, weights)
        >>> g
        Symmetry(batch of 5, 8 units permuted, 8 scaled)
        >>> hidden = g(space.unflatten(weights))
        >>> norms = (hidden["0.weight"].square().sum(-1) + hidden["0.bias"].square()).sqrt()
        >>> bool((norms - norms[:, :1]).abs().max() < 1e-6)
        True
    """
    if weights.dim() not in (1, 2) or weights.shape[-1] != space.num_weights:
        shape = f"[{space.num_weights}] or [N, {space.num_weights}]"
        raise SpaceError(f"Expected weights of shape {shape}, got {list(weights.shape)}.")
    weights, numbers = weights.detach().double(), [n.to(weights.device) for n in position_numbers(space)]
    symmetry = partial(_symmetry, space, weights.shape[:-1])
    given, weights = weights, without_means(symmetry(), weights).act(weights) if space.shifts else weights
    before = symmetry(turns=_turns(space, weights))
    weights = before.act(weights) if space.phases else weights
    for kinds, step in (((GENERAL, COMPLEX), bases), ((ORTHOGONAL,), orthogonal_bases)):
        if any(group.linear in kinds for group in space.groups):
            change = _change_of_bases(space, weights, numbers, step)
            before, weights = change @ before, change.act(weights)
    tables = read_tables(space, weights)
    for read in (
        partial(multipliers, numbers=numbers, freedom=magnitudes(space)),
        partial(balance, freedom=magnitudes(space)),
        partial(multipliers, numbers=numbers, freedom=signs(space)),
    ):
        scaled = symmetry(multipliers=read(space, tables))
        before, tables = scaled @ before, _scaled(tables, scaled)
    found = symmetry(orders=orders(space, tables, numbers)) @ before
    return without_means(found, found.act(given)) if space.shifts else found


def _change_of_bases(space: WeightSpace, weights: Tensor, numbers: Sequence[Tensor], step: Bases) -> Symmetry:
    """Canonical bases of linear groups, with the magnitudes of all other classes, which they depend on."""
    symmetry, tables = partial(_symmetry, space, weights.shape[:-1]), read_tables(space, weights)
    sized = symmetry(multipliers=multipliers(space, tables, numbers, magnitudes(space)))
    return symmetry(matrices=step(space, sized.act(weights))) @ sized


def _turns(space: WeightSpace, weights: Tensor) -> list[Tensor]:
    """Half turns k, so that (-1)^k b + k period is the nearest to zero."""
    found = []
    for number, phase in enumerate(space.phases):
        block = next(i for i, b in enumerate(space.blocks) if b.turns == number)
        nearest = (space.block_view(weights, block) / phase.period).round()
        found.append(torch.where(nearest % 2 == 1, nearest, -nearest))
    return found


def _scaled(tables: Sequence[Table], symmetry: Symmetry) -> list[Table]:
    """The tables of the weights after a symmetry that only scales."""
    found = []
    for table in tables:
        factors = [symmetry.scale_values(a.scale, a.group) for a in table.block.axes]
        found.append(table.scaled([None if f is None else f.to(table.energy.device) for f in factors]))
    return found


def _symmetry(
    space: WeightSpace,
    batch: tuple[int, ...],
    orders: Sequence[Tensor] | None = None,
    multipliers: Sequence[Tensor] | None = None,
    turns: Sequence[Tensor] | None = None,
    matrices: Sequence[Tensor | None] | None = None,
) -> Symmetry:
    """A symmetry of some parts, and of the identity for the others."""
    still = space.identity()

    def ready(ours: Sequence[Tensor] | None, theirs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(t.cpu().expand(*batch, -1) for t in (theirs if ours is None else ours))

    return Symmetry(
        space,
        ready(orders, still.orders),
        ready(multipliers, still.multipliers),
        ready(turns, still.turns),
        still.matrices if matrices is None else tuple(None if m is None else m.cpu() for m in matrices),
    )
