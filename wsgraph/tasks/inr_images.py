"""Images of INRs as functions of their weights: rendered in batches, with gradients; and what is done to images."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from wsgraph.errors import WSGraphError
from wsgraph.graph import NeuronGraph
from wsgraph.zoo import pixel_grid


def render(graphs: NeuronGraph, omega: float, size: tuple[int, int]) -> Tensor:
    """The images ``[B, C, H, W]`` of SIRENs of :class:`wsgraph.zoo.Siren`, differentiable in their weights.

    Args:
        graphs: Neuron graphs of one weight space.
        omega: The frequency of the sine layers.
        size: Height and width in pixels.

    Raises:
        WSGraphError: The networks are no SIRENs of two coordinates.
    """
    matrix = graphs.weight_matrix
    state = graphs.spaces[0].unflatten(matrix, graphs.integers.view(len(matrix), -1))
    depth = len(state) // 2
    expected = {f"layers.{i}.{kind}" for i in range(depth) for kind in ("weight", "bias")}
    if set(state) != expected or state["layers.0.weight"].shape[-1] != 2:
        raise WSGraphError(f"Expected SIRENs of two coordinates (wsgraph.zoo.Siren), got {graphs.spaces[0]!r}.")
    values = pixel_grid(*size, dtype=matrix.dtype).to(matrix.device).mT.expand(len(matrix), -1, -1)
    for i in range(depth):
        values = torch.baddbmm(state[f"layers.{i}.bias"][..., None], state[f"layers.{i}.weight"], values)
        values = torch.sin(omega * values) if i < depth - 1 else values
    return values.unflatten(-1, size)


def dilate(images: Tensor) -> Tensor:
    """The largest value among each pixel and its eight neighbours: bright strokes grow thicker.

    Example:
        >>> import torch
        >>> dilate(torch.eye(4)[None, None])[0, 0, 0].tolist()
        [1.0, 1.0, 1.0, 0.0]
    """
    return F.max_pool2d(images, 3, stride=1, padding=1)


def raise_contrast(images: Tensor) -> Tensor:
    """Values twice as far from 0.5, within [0, 1].

    Example:
        >>> import torch
        >>> raise_contrast(torch.tensor([0.0, 0.4, 0.5, 0.7])).tolist()
        [0.0, 0.30000001192092896, 0.5, 0.8999999761581421]
    """
    return (2 * images - 0.5).clamp(0, 1)


EDITS: dict[str, Callable[[Tensor], Tensor]] = {"dilate": dilate, "contrast": raise_contrast}
"""Edits of images ``[..., H, W]`` by name."""
