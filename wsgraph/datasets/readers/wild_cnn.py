"""The networks of the CNN Wild Park."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from wsgraph.datasets.readers.activations import activation as activation_of
from wsgraph.errors import WSGraphError


class WildCNN(nn.Module):
    """Convolutions with skips between layers of any widths, an average over all places, and a linear map to classes.

    A layer may add the output of an earlier one, behind its activation, to its own before the activation: as many
    channels as both have, the first ones.

    Args:
        channels: Of the image, and of every convolution.
        kernel_size: Of every convolution.
        stride: Of every convolution.
        padding: Of every convolution.
        residual: For every convolution the number of the one that it adds, or -1.
        activation: For every convolution the name of its activation function, or ``"none"``.
        n_classes: Outputs.

    Shapes:
        - **input:** images ``[B, channels[0], H, W]``
        - **output:** logits ``[B, n_classes]``

    Raises:
        WSGraphError: The lists have other lengths than the layers, or a layer adds a later one.

    Example:
        >>> import json, torch
        >>> model = WildCNN([3, 4, 8, 4], [3, 5, 3], [1] * 3, [1, 2, 1], [-1, -1, 0], ["relu", "none", "tanh"])
        >>> model(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        channels: Sequence[int],
        kernel_size: Sequence[int],
        stride: Sequence[int],
        padding: Sequence[int],
        residual: Sequence[int],
        activation: Sequence[str],
        n_classes: int = 10,
    ) -> None:
        super().__init__()
        depth = len(channels) - 1
        lengths = {len(each) for each in (kernel_size, stride, padding, residual, activation)}
        if depth < 1 or lengths != {depth} or any(source >= i for i, source in enumerate(residual)):
            raise WSGraphError(
                f"Expected {depth} kernel sizes, strides, paddings, activations, and residuals that are earlier layers "
                f"or -1, for channels {list(channels)}; got {sorted(lengths)} of them, and residuals {list(residual)}."
            )
        self.layers = nn.ModuleList(
            nn.Conv2d(fan_in, fan_out, kernel, step, pad)
            for (fan_in, fan_out), kernel, step, pad in zip(
                pairwise(channels), kernel_size, stride, padding, strict=True
            )
        )
        self.fc = nn.Linear(channels[-1], n_classes)
        self.activations = nn.ModuleList(activation_of(name) for name in activation)
        self.residual = list(residual)

    @classmethod
    def from_json(cls, text: str) -> WildCNN:
        """The network that the column ``config`` of the data set describes."""
        return cls(**json.loads(text))

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[B, n_classes]`` of images ``[B, channels[0], H, W]``."""
        outputs: list[Tensor] = []
        x = images
        for layer, function, source in zip(self.layers, self.activations, self.residual, strict=True):
            x = layer(x)
            if source >= 0:
                x = _add_first(x, outputs[source])
            x = function(x)
            outputs.append(x)
        logits: Tensor = self.fc(x.mean((-2, -1)))
        return logits


def _add_first(x: Tensor, other: Tensor) -> Tensor:
    """The sum in the first channels, which both have."""
    shared = min(x.shape[1], other.shape[1])
    if shared == x.shape[1]:
        return x + other[:, :shared]
    return torch.cat([x[:, :shared] + other[:, :shared], x[:, shared:]], dim=1)
