"""Images, sounds and fields from the weights of SIRENs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from wsgraph.errors import WSGraphError
from wsgraph.zoo.batch import SirenBatch, networks_at_once
from wsgraph.zoo.images import grid_points
from wsgraph.zoo.states import state_sizes


@torch.no_grad()
def render_states(states: Mapping[str, Tensor], size: Sequence[int], omega: float) -> Tensor:
    """The signals ``[k, C, *size]`` of k SIRENs of one architecture, at any resolution.

    Args:
        states: Stacked tensors ``[k, ...]`` under the names of :meth:`Siren.state_dict`.
        size: Of the grid, one number for each coordinate: height and width in pixels. Its corners lie at ±1 at every
            size.
        omega: The frequency of the sine layers.

    Raises:
        WSGraphError: The states are not stacked SIRENs of as many coordinates.
    """
    sizes = state_sizes(states)
    if sizes[0] != len(size):
        raise WSGraphError(
            f"Expected SIRENs of {len(size)} coordinates, to be rendered at the size {tuple(size)}, but these take "
            f"{sizes[0]}; pass a size of as many numbers."
        )
    first = states["layers.0.weight"]
    points = grid_points(size, dtype=first.dtype).to(first.device)
    signals = first.new_empty(len(first), sizes[-1], len(points))
    step = networks_at_once(sizes, points)
    for start in range(0, len(first), step):
        part = {name: stack[start : start + step] for name, stack in states.items()}
        signals[start : start + step] = SirenBatch(part, points, omega).forward()
    return signals.unflatten(-1, tuple(size))
