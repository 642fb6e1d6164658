"""Images from the weights of SIRENs."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from wsgraph.errors import WSGraphError
from wsgraph.zoo.batch import SirenBatch, networks_at_once
from wsgraph.zoo.images import pixel_grid
from wsgraph.zoo.states import state_sizes


@torch.no_grad()
def render_states(states: Mapping[str, Tensor], size: tuple[int, int], omega: float) -> Tensor:
    """The images ``[k, C, H, W]`` of k SIRENs of one architecture, at any resolution.

    Args:
        states: Stacked tensors ``[k, ...]`` under the names of :meth:`Siren.state_dict`.
        size: Height and width in pixels. The corners lie at ±1 at every size.
        omega: The frequency of the sine layers.

    Raises:
        WSGraphError: The states are not stacked SIRENs of two coordinates.
    """
    sizes = state_sizes(states)
    if sizes[0] != 2:
        raise WSGraphError(f"Expected SIRENs of 2 coordinates, to be rendered as images, but these take {sizes[0]}.")
    first = states["layers.0.weight"]
    points = pixel_grid(*size, dtype=first.dtype).to(first.device)
    images = first.new_empty(len(first), sizes[-1], len(points))
    step = networks_at_once(sizes, points)
    for start in range(0, len(first), step):
        part = {name: stack[start : start + step] for name, stack in states.items()}
        images[start : start + step] = SirenBatch(part, points, omega).forward()
    return images.unflatten(-1, size)
