"""The plain perceptron at the end of every invariant model."""

from torch import nn


def perceptron(in_channels: int, hidden_channels: int, num_layers: int, out_channels: int) -> nn.Sequential:
    """``num_layers`` hidden layers with layer normalisation and SiLU, then a linear map."""
    layers: list[nn.Module] = []
    for i in range(num_layers):
        width = in_channels if i == 0 else hidden_channels
        layers += [nn.Linear(width, hidden_channels), nn.LayerNorm(hidden_channels), nn.SiLU()]
    return nn.Sequential(*layers, nn.Linear(hidden_channels if num_layers else in_channels, out_channels))
