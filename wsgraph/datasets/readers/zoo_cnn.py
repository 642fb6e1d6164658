"""The small networks of the model zoos of Schürholt et al. (2022)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from wsgraph.datasets.readers.activations import activation as activation_of
from wsgraph.errors import WSGraphError


@dataclass(frozen=True)
class _Shape:
    widths: tuple[int, int, int]
    kernels: tuple[int, int, int]
    pools: int
    places: int


SHAPES: Mapping[str, _Shape] = {
    "CNN": _Shape((8, 6, 4), (5, 5, 2), pools=2, places=9),
    "CNN2": _Shape((6, 9, 6), (5, 5, 2), pools=2, places=9),
    "CNN3": _Shape((16, 32, 15), (3, 3, 3), pools=3, places=4),
}
"""By the names that the zoos give them: ``CNN`` is their small one, ``CNN3`` their large one."""


class ZooCNN(nn.Module):
    """Three convolutions, with maxima over 2 × 2 places in front of the activation functions, and two linear layers.

    Args:
        kind: ``"CNN"`` (for images of 28 × 28), ``"CNN2"`` (the same) or ``"CNN3"`` (32 × 32).
        in_channels: Of the image.
        activation: Behind every layer but the last.

    Shapes:
        - **input:** images ``[B, in_channels, H, W]``
        - **output:** logits ``[B, 10]``

    Raises:
        WSGraphError: No such kind is known.
    """

    def __init__(self, kind: str = "CNN", in_channels: int = 1, activation: str = "tanh") -> None:
        super().__init__()
        if kind not in SHAPES:
            raise WSGraphError(f"Expected a network among {', '.join(SHAPES)}, got {kind!r}.")
        shape = SHAPES[kind]
        pairs = zip(pairwise((in_channels, *shape.widths)), shape.kernels, strict=True)
        convolutions = [nn.Conv2d(fan_in, fan_out, kernel) for (fan_in, fan_out), kernel in pairs]
        hidden = nn.Linear(shape.widths[-1] * shape.places, 20)
        self.layers = nn.ModuleList([*convolutions, hidden, nn.Linear(20, 10)])
        self.pools = shape.pools
        self.activation = activation_of(activation)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[B, 10]`` of images ``[B, in_channels, H, W]``."""
        *convolutions, hidden, last = self.layers
        x = images
        for i, layer in enumerate(convolutions):
            x = layer(x)
            x = self.activation(F.max_pool2d(x, 2) if i < self.pools else x)
        logits: Tensor = last(self.activation(hidden(x.flatten(1))))
        return logits


def image_size(kind: str) -> int:
    """Height and width of the images that a network is made for."""
    return 32 if kind == "CNN3" else 28
