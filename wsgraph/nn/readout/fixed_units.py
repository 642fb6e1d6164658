"""Readings of units that stay in their places."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FixedUnits(nn.Module):
    r"""The mean over units, of some layers, of a perceptron that all share: φ(g_i ⊙ Γ asinh(x_i) + e_i).

    Units that no symmetry moves could be read by a map of their own each; one map for all of them has fewer
    parameters, and overfits less. What is learned for each unit, g and e, tells them apart.

    **Symmetry**: none is needed. The states of these units are invariant.

    Args:
        sizes: For each layer, its number of units.
        channels: Width of the states.
        out_channels: Width of what is read.

    Shapes:
        - **input**: for each layer ``[B, units, channels]``
        - **output**: ``[B, layers * out_channels]``
    """

    def __init__(self, sizes: dict[int, int], channels: int, out_channels: int) -> None:
        super().__init__()
        self.mix = nn.Linear(channels, out_channels, bias=False)
        self.places = nn.ParameterDict({str(i): nn.Parameter(torch.empty(n, out_channels)) for i, n in sizes.items()})
        self.gates = nn.ParameterDict({str(i): nn.Parameter(torch.empty(n, out_channels)) for i, n in sizes.items()})
        self.norm = nn.LayerNorm(out_channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial weights."""
        self.mix.reset_parameters()
        self.norm.reset_parameters()
        for place in self.places.values():
            nn.init.normal_(place, std=0.1)
        for gate in self.gates.values():
            nn.init.normal_(gate, std=1.0)

    def forward(self, states: list[Tensor] | dict[int, Tensor]) -> list[Tensor]:
        """What is read of each layer, ``[B, out_channels]``."""
        read = [self.mix(torch.asinh(states[int(i)])) * self.gates[i] + place for i, place in self.places.items()]
        return [nn.functional.silu(self.norm(x)).mean(1) for x in read]
