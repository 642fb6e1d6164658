"""The architecture of the Small CNN Zoo."""

from __future__ import annotations

from torch import nn

from wsgraph.errors import WSGraphError

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh}


def small_cnn(
    in_channels: int = 1, num_classes: int = 10, activation: str = "relu", channels: int = 16, depth: int = 3
) -> nn.Sequential:
    """A network like those of the Small CNN Zoo (Unterthiner et al., 2020), `arXiv:2002.11448 <https://arxiv.org/abs/2002.11448>`_.

    Convolutions of 3 × 3, the first two of stride 2, each with an activation and dropout; the mean over all places; and
    a linear layer. With one input channel, ten classes and the default sizes it has 4,970 parameters.

    Args:
        in_channels: Of the images.
        num_classes: Of the answer.
        activation: ``"relu"`` or ``"tanh"``.
        channels: Of each convolution.
        depth: Number of convolutions.

    Shapes:
        - **input:** images ``[B, in_channels, H, W]``
        - **output:** ``[B, num_classes]``

    Raises:
        WSGraphError: Another activation.

    Example:
        >>> import torch
        >>> from wsgraph.zoo import small_cnn
        >>> model = small_cnn()
        >>> sum(p.numel() for p in model.parameters()), model(torch.rand(2, 1, 8, 8)).shape
        (4970, torch.Size([2, 10]))
    """
    if activation not in ACTIVATIONS:
        raise WSGraphError(f"Expected an activation out of {', '.join(ACTIVATIONS)}, but got {activation!r}.")
    layers: list[nn.Module] = []
    for layer in range(depth):
        stride = 2 if layer < 2 else 1
        width = channels if layer else in_channels
        layers += [nn.Conv2d(width, channels, 3, stride, padding=1), ACTIVATIONS[activation](), nn.Dropout(0.0)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))
