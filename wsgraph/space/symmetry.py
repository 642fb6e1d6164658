"""One element of the symmetry group of a weight space, or a batch of them, and its action."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from wsgraph.errors import SpaceError
from wsgraph.space import layout, shifting
from wsgraph.space.across import for_parts, linear_group, pieces_above, units_above
from wsgraph.space.matrices import taken, with_other_coordinate
from wsgraph.space.matrix_set import MatrixSet
from wsgraph.space.part_products import with_products
from wsgraph.space.parts import Axis, Block
from wsgraph.space.scale import Scale

if TYPE_CHECKING:
    from wsgraph.space.weight_space import WeightSpace


@dataclass(frozen=True, eq=False, repr=False)
class Symmetry:
    r"""A transformation of the weights that leaves the function of the network unchanged.

    With permutations σ and multipliers λ of every unit,

    .. math:: W'_{ij} = λ_i W_{σ(i)σ(j)} λ_j^{-1}, \qquad b'_i = λ_i b_{σ(i)}.

    On a linear group, an invertible matrix M acts between the two, W' = Λ M P W on the side where multipliers
    multiply, and its inverse transpose on the side where they divide; an orthogonal matrix on both sides. Where units
    are planes, each has a matrix of its own, which turns its two coordinates. Before a sine, k half turns are made.
    Last, numbers are added to blocks, where nothing that reads them notices.

    Attributes:
        space: The weight space it acts on.
        orders: For every neuron group, the units in their new order: ``[size]``, or ``[B, size]`` for a batch
            of B symmetries. ``σ(i) = order[i]``. Pieces of groups with a parent move as the parent's units do.
        multipliers: For every scale class, λ in the new order: ``[size]`` or ``[B, size]``, float64. Those that are
            products over parts follow from the others, whatever is given for them.
        turns: For every phase class, the whole numbers k in the new order: ``[size]`` or ``[B, size]``, float64.
        matrices: For every neuron group, M of each piece, ``[pieces, n, n]`` or ``[B, pieces, n, n]``, float64, or
            None for the identity; where units are planes, the turn of each, ``[size, 2, 2]`` or ``[B, size, 2, 2]``.
        shifts: For every shift of the space, the numbers that are added, ``[*runs]`` or ``[B, *runs]``, float64, or
            None for zeros. Empty for zeros everywhere.

    Example:
        >>> import torch, wsgraph
        >>> model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
        >>> space = wsgraph.trace(model)
        >>> g = space.random_symmetry(torch.Generator().manual_seed(0))
        >>> moved = g(model.state_dict())
        >>> back = (g.inverse() @ g)(model.state_dict())
        >>> torch.allclose(back["0.weight"], model[0].weight)
        True
    """

    space: WeightSpace
    orders: tuple[Tensor, ...]
    multipliers: tuple[Tensor, ...]
    turns: tuple[Tensor, ...]
    matrices: tuple[Tensor | None, ...]
    shifts: tuple[Tensor | None, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "multipliers", with_products(self.space, self.multipliers))

    def __call__(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Move a state dict, of one network or of a stack of them.

        Args:
            state: The state dict, or one with stacked tensors ``[N, ...]``.

        Returns:
            A new state dict. For a batch of B symmetries its tensors are stacked ``[B, ...]``: those of one network
            moved in B ways, or of B networks, each moved by its own symmetry.

        Raises:
            StateError: The state dict does not belong to this weight space.
            SpaceError: B and N differ.
        """
        weights, integers = layout.flatten(self.space, state)
        moved = self.act(weights)
        if moved.dim() > integers.dim():
            integers = integers.expand(*moved.shape[:-1], -1)
        return layout.like(state, layout.unflatten(self.space, moved, integers))

    def act(self, weights: Tensor) -> Tensor:
        """Move flat weights.

        Args:
            weights: ``[P]`` or ``[N, P]``, as stored in a neuron graph.

        Returns:
            New weights of the same shape; ``[B, P]`` where a batch of B symmetries acts on one network.

        Raises:
            SpaceError: The last axis is not P, or B and N differ.
        """
        if weights.shape[-1] != self.space.num_weights or weights.dim() > 2:
            raise SpaceError(
                f"Expected weights of shape [{self.space.num_weights}] or [N, {self.space.num_weights}], "
                f"got {list(weights.shape)}."
            )
        batch = self.batch_shape
        if batch and weights.dim() == 2 and weights.shape[0] != batch[0]:
            raise SpaceError(f"A batch of {batch[0]} symmetries cannot act on {weights.shape[0]} networks.")
        if batch and weights.dim() == 1:
            weights = weights.expand(*batch, -1)
        out = torch.empty_like(weights, memory_format=torch.contiguous_format)
        for number, part in enumerate(self.space.slices):
            values = self._scaled(self.space.blocks[number], self._turned(number, weights))
            out[..., part] = shifting.shifted(self, number, values).reshape(*weights.shape[:-1], -1)
        return out

    def __matmul__(self, other: Symmetry) -> Symmetry:
        """First ``other``, then ``self``."""
        self._check_same_space(other)
        orders = tuple(_take(theirs, ours) for ours, theirs in zip(self.orders, other.orders, strict=True))
        multipliers = tuple(
            ours * _take(theirs, self.orders[c.group])
            for c, ours, theirs in zip(self.space.scales, self.multipliers, other.multipliers, strict=True)
        )
        turns = tuple(
            ours + self._flips(i) * _take(theirs, self.orders[self.space.phases[i].group])
            for i, (ours, theirs) in enumerate(zip(self.turns, other.turns, strict=True))
        )
        matrices = tuple(self._composed(i, other) for i in range(len(orders)))
        shifts = shifting.composed(self, other)
        return Symmetry(self.space, orders, multipliers, turns, matrices, shifts)

    def inverse(self) -> Symmetry:
        """The symmetry that undoes this one."""
        orders = tuple(order.argsort(dim=-1) for order in self.orders)
        multipliers = tuple(
            1 / _take(values, orders[c.group]) for c, values in zip(self.space.scales, self.multipliers, strict=True)
        )
        turns = tuple(
            _take(-self._flips(i) * values, orders[self.space.phases[i].group]) for i, values in enumerate(self.turns)
        )
        undone = Symmetry(self.space, orders, multipliers, turns, self.matrices)
        matrices = tuple(None if m is None else undone._inverted(i, m) for i, m in enumerate(self.matrices))
        undone = Symmetry(self.space, orders, multipliers, turns, matrices)
        return replace(undone, shifts=shifting.inverted(self, undone))

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """``()``, or ``(B,)`` for a batch of symmetries."""
        shapes = [t.shape[:-1] for t in (*self.orders, *self.multipliers)] + shifting.batch_shapes(self)
        return next((tuple(shape) for shape in shapes if shape), ())

    def scale_values(self, scale: Scale, group: int) -> Tensor | None:
        """A scale of the units of a group as numbers (float64), ``[size]`` or ``[B, size]``; None for the scale 1."""
        factors = []
        for factor in scale:
            number = factor.scale_class
            values = for_parts(self.space, self.multipliers[number], group, self.space.scales[number].group)
            factors.append(values.abs() ** factor.power * (values.sign() if factor.parity else 1.0))
        return reduce(torch.mul, factors) if factors else None

    def __repr__(self) -> str:
        batch = f"batch of {self.batch_shape[0]}, " if self.batch_shape else ""
        moved = sum(self.space.groups[i].size for i in self.space.moving_groups)
        added = sum(s.numel for s, numbers in zip(self.space.shifts, self.shifts, strict=False) if numbers is not None)
        scaled = sum(self.space.groups[c.group].size for c in self.space.scales if c.product_of is None)
        return f"Symmetry({batch}{moved} units permuted, {scaled} scaled{f', {added} numbers added' if added else ''})"

    # ----------------------------------------------------------------- action

    def moved(self, block: Block, values: Tensor) -> Tensor:
        """One block ``[*batch, *block.shape]`` after all but the shifts, if it has no planes."""
        return self._scaled(block, self._permuted(block, values, values.dim() - len(block.shape)))

    def _scaled(self, block: Block, values: Tensor) -> Tensor:
        """A block, whose units have moved, after matrices, multipliers and half turns."""
        lead = values.dim() - len(block.shape)
        for i, axis in enumerate(block.axes):
            matrix = self._matrix(axis.group)
            if matrix is not None and self._kind(axis.group).is_square:
                values = _multiplied(values, self._oriented(axis, matrix), lead, i, block.pieces)
        factor = self._factor(block)
        if factor is not None:
            factor = factor.to(values.device)
            scaled = values * factor.to(values.dtype)
            values = scaled + (block.shift * (factor - 1)).to(values.dtype) if block.shift else scaled
        if block.turns is not None:
            shifts = self.space.phases[block.turns].period * self.turns[block.turns]
            shape = (*shifts.shape, *[1] * (len(block.shape) - 1))
            values = values + shifts.reshape(shape).to(values)
        return values

    def _turned(self, number: int, weights: Tensor, axes: int | None = None) -> Tensor:
        """A block after units took their new places, and planes were turned along the first ``axes`` of its axes."""
        block, lead = self.space.blocks[number], weights.dim() - 1
        axes = len(block.axes) if axes is None else axes
        if not axes:
            values = weights[..., self.space.slices[number]].reshape(*weights.shape[:-1], *block.shape)
            return self._permuted(block, values, lead)
        values, axis = self._turned(number, weights, axes - 1), block.axes[axes - 1]
        matrix = self._matrix(axis.group)
        if matrix is None or axis.plane is None:
            return values
        coordinate, partner = axis.plane
        other = self._turned(partner, weights, axes - 1)
        return with_other_coordinate(matrix, coordinate, values, other, axes - 1, lead, block.pieces)

    def _permuted(self, block: Block, values: Tensor, lead: int) -> Tensor:
        pieces = block.pieces
        for i, axis in enumerate(block.axes):
            if axis.group in self.space.moving_groups:
                order = self.orders[axis.group].to(values.device)
                if pieces == 1:
                    values = _reorder(values, order, lead + i, lead)
                    continue
                order = order.unflatten(-1, (pieces, -1))
                size = order.shape[-1]
                if i == 0:
                    values = _reorder(values, order[..., 0] // size, lead, lead)
                values = _reorder_within(values, order % size, lead, lead + 1 + i)
        return values

    def _factor(self, block: Block) -> Tensor | None:
        """The multipliers of a block, broadcastable to it (float64), or None for 1."""
        factors = []
        for i, axis in enumerate(block.axes):
            numbers = self.scale_values(axis.scale, axis.group)
            if axis.phase is not None:
                flips = _parity(self.turns[axis.phase])
                numbers = flips if numbers is None else numbers * flips
            if numbers is not None:
                shape = [1] * len(block.shape)
                if block.pieces > 1:
                    shape[0], shape[1 + i] = block.pieces, -1
                else:
                    shape[i] = -1
                factors.append(numbers.reshape(*numbers.shape[:-1], *shape))
        return reduce(torch.mul, factors) if factors else None

    # --------------------------------------------------------------- matrices

    def _kind(self, group: int) -> MatrixSet:
        """What kind of matrices act on a group: those of its own, or those of the group across."""
        return self.space.groups[linear_group(self.space, group)].linear

    def _matrix(self, group: int) -> Tensor | None:
        """What acts on a group: its own matrices, or copies of those of the group across."""
        base = linear_group(self.space, group)
        matrix = self.matrices[base]
        if matrix is None or base == group:
            return matrix
        if self._kind(group).is_square:
            index = pieces_above(self.space, group)
        else:
            index = torch.from_numpy(units_above(self.space, group, base))
        return matrix[..., index.to(matrix.device), :, :]

    def _own(self, group: int) -> Tensor:
        """The multipliers of a linear group, ``[..., size]``; ones if it has none."""
        found = (self.multipliers[i] for i, c in enumerate(self.space.scales) if c.group == group)
        order = self.orders[group]
        return next(found, torch.ones(order.shape[-1:], dtype=torch.float64, device=order.device))

    def _oriented(self, axis: Axis, matrix: Tensor) -> Tensor:
        """M, or its inverse transpose, by the power of the group's own multiplier on this axis."""
        base = linear_group(self.space, axis.group)
        if self.space.groups[base].linear is MatrixSet.ORTHOGONAL:
            return matrix
        powers = [f.power for f in axis.scale if self.space.scales[f.scale_class].group == base]
        return matrix if powers[0] > 0 else torch.linalg.inv(matrix).transpose(-1, -2)

    def _composed(self, group: int, other: Symmetry) -> Tensor | None:
        """The matrix of ``self @ other``: Λ M P Λ₂ M₂ P₂ = (Λ Λ₂') (Λ₂'⁻¹ M Λ₂') M₂' (P P₂), where P moves Λ₂', M₂'."""
        ours, theirs = self.matrices[group], other.matrices[group]
        if self.space.groups[group].linear is MatrixSet.COMPLEX:  # which commute with multipliers
            moved = None if theirs is None else taken(theirs, self.orders[group])
            return moved if ours is None else ours if moved is None else ours @ moved
        moved = None if theirs is None else _conjugate(theirs, self.orders[group])
        if ours is None:
            return moved
        ours = _rescaled(ours, _take(other._own(group), self.orders[group]))
        return ours if moved is None else ours @ moved

    def _inverted(self, group: int, matrix: Tensor) -> Tensor:
        """The matrix of this inverse, from that of the original: Λ⁻¹ (M⁻¹)' Λ, with this one's Λ."""
        if self.space.groups[group].linear is MatrixSet.COMPLEX:
            return taken(matrix.transpose(-1, -2), self.orders[group])
        return _rescaled(_conjugate(torch.linalg.inv(matrix), self.orders[group]), self._own(group))

    def _flips(self, phase: int) -> Tensor:
        """The signs by which a bias is multiplied before half turns are added to it."""
        axis = next(block.axes[0] for block in self.space.blocks if block.turns == phase)
        flips, scales = _parity(self.turns[phase]), self.scale_values(axis.scale, axis.group)
        return flips if scales is None else flips * scales

    def _check_same_space(self, other: Symmetry) -> None:
        if not isinstance(other, Symmetry) or other.space != self.space:
            raise SpaceError("Only symmetries of the same weight space can be composed.")


def _parity(turns: Tensor) -> Tensor:
    """(-1)^k."""
    return 1 - 2 * (turns % 2)


def _take(values: Tensor, order: Tensor) -> Tensor:
    """``values[order]`` along the last axis, with batches of either."""
    batch = torch.broadcast_shapes(values.shape[:-1], order.shape[:-1])
    return values.expand(*batch, -1).gather(-1, order.expand(*batch, -1))


def _reorder(values: Tensor, order: Tensor, dim: int, lead: int) -> Tensor:
    """Entries of ``values`` along ``dim`` in the given order, or in one order for each of the batch."""
    if order.dim() == 1:
        return values.index_select(dim, order)
    shape = [1] * values.dim()
    shape[0], shape[dim] = order.shape
    return values.gather(dim, order.reshape(shape).expand(values.shape)) if lead else values


def _reorder_within(values: Tensor, order: Tensor, piece_dim: int, dim: int) -> Tensor:
    """Entries along ``dim`` in an order ``[..., pieces, n]`` for each piece."""
    shape = [1] * values.dim()
    shape[piece_dim], shape[dim] = order.shape[-2:]
    if order.dim() == 3:
        shape[0] = order.shape[0]
    return values.gather(dim, order.reshape(shape).expand(values.shape))


def _multiplied(values: Tensor, matrix: Tensor, lead: int, axis: int, pieces: int) -> Tensor:
    """M ``[..., P, n, n]`` times the values along one axis, piece by piece."""
    dim = lead + axis + (pieces > 1)
    if pieces == 1:
        values = values.unflatten(dim, (matrix.shape[-3], -1))
        moved = values.movedim((dim, dim + 1), (lead, lead + 1))
    else:
        moved = values.movedim(dim, lead + 1)
    rest = moved.shape[lead + 2 :]
    moved = (matrix.to(values) @ moved.flatten(lead + 2)).unflatten(-1, rest) if rest else _on_vector(matrix, moved)
    if pieces > 1:
        return moved.movedim(lead + 1, dim)
    return moved.movedim((lead, lead + 1), (dim, dim + 1)).flatten(dim, dim + 1)


def _on_vector(matrix: Tensor, values: Tensor) -> Tensor:
    return (matrix.to(values) @ values[..., None])[..., 0]


def _rescaled(matrix: Tensor, scales: Tensor) -> Tensor:
    """Λ⁻¹ M Λ for M ``[..., P, n, n]`` and Λ ``[..., P * n]``."""
    scales = scales.unflatten(-1, matrix.shape[-3:-1])
    return matrix * scales[..., None, :] / scales[..., None]


def _conjugate(matrix: Tensor, order: Tensor) -> Tensor:
    """The matrix ``[..., P, n, n]`` of the units in another order, which permutes pieces and units within them."""
    pieces, size = matrix.shape[-3:-1]
    order = order.unflatten(-1, (pieces, size))
    batch = torch.broadcast_shapes(matrix.shape[:-3], order.shape[:-2])
    matrix = matrix.expand(*batch, pieces, size, size)
    piece, unit = (order[..., 0] // size).expand(*batch, -1), (order % size).expand(*batch, -1, -1)
    moved = matrix.gather(-3, piece[..., None, None].expand(matrix.shape))
    moved = moved.gather(-2, unit[..., None].expand(matrix.shape))
    return moved.gather(-1, unit[..., None, :].expand(matrix.shape))
