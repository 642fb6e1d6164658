"""Matrices on the units of groups: drawn, composed, and applied to planes."""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor

from wsgraph.space.draws import normal, uniform, whole
from wsgraph.space.matrix_set import MatrixSet


def draw_matrices(
    kind: MatrixSet,
    batch: tuple[int, ...],
    pieces: int,
    size: int,
    generator: torch.Generator | None,
    max_scale: float,
) -> Tensor:
    """Random matrices, float64: ``[*batch, pieces, size, size]``, or ``[*batch, pieces * size, 2, 2]`` for planes.

    General ones are U S V with orthogonal U, V, and S log-uniform in [1 / √max_scale, √max_scale].
    """
    if kind is MatrixSet.COMPLEX:
        return turns_by(2 * pi * uniform(*batch, pieces * size, generator=generator))
    left = torch.linalg.qr(normal(*batch, pieces, size, size, generator=generator))[0]
    if kind is MatrixSet.ORTHOGONAL:
        return left * (2 * whole(0, 1, *batch, pieces, 1, size, generator=generator) - 1)
    right = torch.linalg.qr(normal(*batch, pieces, size, size, generator=generator))[0]
    values = max_scale ** (uniform(*batch, pieces, size, generator=generator) - 0.5)
    return left * values[..., None, :] @ right


def turns_by(angles: Tensor) -> Tensor:
    """Rotations ``[..., 2, 2]`` by angles ``[...]``."""
    cos, sin = angles.cos(), angles.sin()
    return torch.stack((torch.stack((cos, -sin), -1), torch.stack((sin, cos), -1)), -2)


def taken(matrix: Tensor, order: Tensor) -> Tensor:
    """The matrices ``[..., units, 2, 2]`` of units in another order ``[..., units]``."""
    batch = torch.broadcast_shapes(matrix.shape[:-3], order.shape[:-1])
    matrix = matrix.expand(*batch, *matrix.shape[-3:])
    return matrix.gather(-3, order[..., None, None].expand(matrix.shape))


def with_other_coordinate(
    matrix: Tensor, coordinate: int, values: Tensor, other: Tensor, axis: int, lead: int, pieces: int
) -> Tensor:
    """One coordinate of the planes along an axis after a turn ``[..., units, 2, 2]``, from this one and the other.

    Args:
        matrix: The turns.
        coordinate: Which of the two the values are, 0 or 1.
        values: A block, ``[*batch, *block.shape]``.
        other: The block of the other coordinates, of the same shape.
        axis: Which neuron axis of the block runs over the planes.
        lead: Number of batch axes of the values.
        pieces: Number of pieces of the block.
    """
    shape = [1] * (values.dim() - lead)
    if pieces > 1:
        shape[0], shape[1 + axis] = pieces, -1
    else:
        shape[axis] = -1
    own, cross = (
        matrix[..., coordinate, i].reshape(*matrix.shape[:-3], *shape).to(values) for i in (coordinate, 1 - coordinate)
    )
    return own * values + cross * other
