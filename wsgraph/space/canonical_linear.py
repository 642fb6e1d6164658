"""Canonical bases of linear groups: orthonormal on one side, orthogonal on the other; of planes: principal axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from wsgraph.space.across import linear_group, pieces_above
from wsgraph.space.canonical_axes import plane_turns, principal_axes
from wsgraph.space.canonical_plan import evidence, magnitudes, plan
from wsgraph.space.matrix_set import MatrixSet
from wsgraph.space.parts import Axis

if TYPE_CHECKING:
    from wsgraph.space.weight_space import WeightSpace

SINGULAR = 1e-10
"""Eigenvalues of this fraction of the largest one are zero, or equal."""


def bases(space: WeightSpace, weights: Tensor) -> list[Tensor | None]:
    r"""M for the pieces of every general linear group, ``[..., pieces, n, n]``; None for groups that are left alone.

    Where A are the numbers that M multiplies and B those that its inverse transpose multiplies, M A has orthonormal
    rows, and :math:`M^{-T} B` orthogonal ones: the singular value decomposition of Aᵀ B, from A Aᵀ and B Bᵀ. Signs and
    the order of the rows are left. M is the identity where more is left: A has not full rank, or singular values agree.
    Planes, of which there is a matrix for each unit, are turned to the principal axes of A.

    Args:
        space: The weight space.
        weights: ``[..., P]``, float64, in which all other magnitudes are canonical.
    """
    found: list[Tensor | None] = [None] * len(space.groups)
    for group in independent_groups(space):
        if space.groups[group].linear is MatrixSet.COMPLEX:
            found[group] = plane_turns(space, weights, group)
            continue
        inner, outer = (_gram(space, weights, group, positive) for positive in (True, False))
        finite = (inner.isfinite() & outer.isfinite()).all(-1).all(-1)
        found[group] = _basis(*(torch.where(finite[..., None, None], gram, 0.0) for gram in (inner, outer)))
    return found


def orthogonal_bases(space: WeightSpace, weights: Tensor) -> list[Tensor | None]:
    """M for the pieces of every orthogonal group, ``[..., pieces, n, n]``; None for groups that are left alone.

    Where A are all numbers that M multiplies, the rows of M A are orthogonal. Groups that meet a general linear group
    or planes whose bases were not found are left alone.

    Args:
        space: The weight space.
        weights: ``[..., P]``, float64, in which all magnitudes and the bases of other groups are canonical.
    """
    found: list[Tensor | None] = [None] * len(space.groups)
    orthogonal = {i for i, group in enumerate(space.groups) if group.linear is MatrixSet.ORTHOGONAL}
    unknown = {i for i, group in enumerate(space.groups) if group.linear} - {*independent_groups(space), *orthogonal}
    for block in space.blocks:
        groups = {axis.group for axis in block.axes}
        orthogonal -= groups if groups & unknown else set()
    for group in orthogonal:
        gram = _gram(space, weights, group, True) + _gram(space, weights, group, False)
        finite = gram.isfinite().all(-1).all(-1)
        found[group] = principal_axes(torch.where(finite[..., None, None], gram, 0.0))
    return found


def independent_groups(space: WeightSpace) -> list[int]:
    """Linear groups that do not meet another one in a block, and through which no other magnitude is read.

    Orthogonal groups are none of these; sums of squares over their units are the same in all bases.
    """
    kinds = MatrixSet.GENERAL, MatrixSet.COMPLEX
    linear = {i for i, group in enumerate(space.groups) if group.linear in kinds}
    every = [[linear_group(space, a.group) for a in block.axes] for block in space.blocks]
    met = [[group for group in groups if group in linear] for groups in every]
    for groups in met:
        if len(groups) > 1:
            linear -= set(groups)
    planned = {item.scale_class: [item] for item in plan(space, magnitudes(space))}
    for c, items in evidence(space, magnitudes(space)).items():
        through = {group for item in planned.get(c, items) for block, _ in item.places for group in met[block]}
        linear -= through - {space.scales[c].group}
    return sorted(linear & {group for groups in met for group in groups})


def _gram(space: WeightSpace, weights: Tensor, group: int, positive: bool) -> Tensor:
    """A Aᵀ, or B Bᵀ, for each piece of a group, ``[..., pieces, n, n]``."""
    pieces, lead = space.num_pieces(group), weights.dim() - 1
    size = space.groups[group].size // pieces
    total = weights.new_zeros(*weights.shape[:-1], pieces, size, size)
    for number, block in enumerate(space.blocks):
        for i, axis in enumerate(block.axes):
            if linear_group(space, axis.group) == group and _is_positive(space, axis) == positive:
                values, at = space.block_view(weights, number), lead + i
                if block.pieces > 1:
                    values, at = values.movedim(at + 1, lead + 1).flatten(lead, lead + 1), lead
                values = values.unflatten(at, (-1, size)).movedim((at, at + 1), (lead, lead + 1))
                rows = values.flatten(lead + 2) if values.dim() > lead + 2 else values[..., None]
                index = pieces_above(space, axis.group).to(rows.device)
                total = total.index_add(lead, index, rows @ rows.transpose(-1, -2))
    return total


def _is_positive(space: WeightSpace, axis: Axis) -> bool:
    group = linear_group(space, axis.group)
    return any(f.power > 0 for f in axis.scale if space.scales[f.scale_class].group == group)


def _basis(inner: Tensor, outer: Tensor) -> Tensor:
    """M with M A Aᵀ Mᵀ = 1 and diagonal :math:`M^{-T} B Bᵀ M^{-1}`, or the identity."""
    sizes, axes = torch.linalg.eigh(inner)
    regular = sizes[..., 0] > SINGULAR * sizes[..., -1]
    sizes = torch.where(regular[..., None], sizes, 1.0)
    back = axes * sizes.sqrt()[..., None, :]  # of the whitening
    values, turn = torch.linalg.eigh(back.transpose(-1, -2) @ outer @ back)
    regular = regular & (values.diff(dim=-1) > SINGULAR * values[..., -1:]).all(-1)
    matrix = turn.transpose(-1, -2) @ (axes / sizes.sqrt()[..., None, :]).transpose(-1, -2)
    return torch.where(regular[..., None, None], matrix, torch.eye(matrix.shape[-1]).to(matrix))
