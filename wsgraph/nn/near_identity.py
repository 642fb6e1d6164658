"""Maps of features that start as the identity."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class NearIdentity(nn.Module):
    """A linear map without bias that starts close to the identity: a matrix, or one factor for each channel.

    Args:
        channels: Width of the features.
        full: Whether it is a matrix.
    """

    def __init__(self, channels: int, full: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty((channels, channels) if full else channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The identity, and a little noise in a matrix."""
        if self.weight.dim() == 1:
            nn.init.ones_(self.weight)
            return
        nn.init.normal_(self.weight, std=0.1 * len(self.weight) ** -0.5)
        with torch.no_grad():
            self.weight.diagonal().add_(1)

    def forward(self, x: Tensor) -> Tensor:
        """The features after the map."""
        return x * self.weight if self.weight.dim() == 1 else nn.functional.linear(x, self.weight)
