"""The network of the Small CNN Zoo."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from wsgraph.datasets.readers.activations import activation as activation_of


class SmallCNN(nn.Module):
    """Convolutions of stride 2 without padding, an average over all places, and a linear map to the classes.

    Args:
        channels: Of the image, and of every convolution.
        num_classes: Outputs.
        activation: Behind every convolution: ``"relu"``, ``"tanh"``, ...
        kernel_size: Of every convolution.

    Shapes:
        - **input:** images ``[B, channels[0], H, W]``
        - **output:** logits ``[B, num_classes]``
    """

    def __init__(
        self,
        channels: Sequence[int] = (1, 16, 16, 16),
        num_classes: int = 10,
        activation: str = "relu",
        kernel_size: int = 3,
    ) -> None:
        super().__init__()
        convolutions = [nn.Conv2d(fan_in, fan_out, kernel_size, stride=2) for fan_in, fan_out in pairwise(channels)]
        self.layers = nn.ModuleList([*convolutions, nn.Linear(channels[-1], num_classes)])
        self.activation = activation_of(activation)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[B, num_classes]`` of images ``[B, channels[0], H, W]``."""
        *convolutions, last = self.layers
        for layer in convolutions:
            images = self.activation(layer(images))
        logits: Tensor = last(images.mean((-2, -1)))
        return logits
