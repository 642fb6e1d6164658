"""The networks of published INRs: SIRENs, with what they add to their output."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from wsgraph.datasets.readers.networks import States
from wsgraph.errors import StateError


class SineNetwork(nn.Module):
    r"""A SIREN that adds a constant to its output.

    .. math:: h_0 = x, \qquad h_l = \sin(ω (W_l h_{l-1} + b_l)), \qquad f(x) = W_L h_{L-1} + b_L + c

    Args:
        sizes: Widths from input to output.
        omega: The frequency ω, of every sine layer.
        offset: The constant c.

    Shapes:
        - **input:** points ``[..., sizes[0]]``
        - **output:** values ``[..., sizes[-1]]``
    """

    def __init__(self, sizes: Sequence[int] = (2, 32, 32, 1), omega: float = 30.0, offset: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(fan_in, fan_out) for fan_in, fan_out in pairwise(sizes))
        self.omega, self.offset = omega, offset

    def forward(self, x: Tensor) -> Tensor:
        """The values ``[..., sizes[-1]]`` at points ``[..., sizes[0]]``."""
        *sines, last = self.layers
        for layer in sines:
            x = torch.sin(self.omega * layer(x))
        values: Tensor = last(x)
        return values + self.offset if self.offset else values


def siren_state(path: Path, state: States) -> dict[str, Tensor]:
    """The state dict of a :class:`SineNetwork` from weights and biases in the order of their layers, however named.

    Raises:
        StateError: They are not weight, bias, weight, bias, ...
    """
    names = [name for name in state if name.endswith(("weight", "bias"))]
    kinds = [name.rsplit(".", 1)[-1] for name in names]
    if not names or kinds != ["weight", "bias"] * (len(names) // 2):
        raise StateError(f"{path}: expected the weight and bias of one layer after the other, got {list(state)}.")
    return {f"layers.{i // 2}.{kind}": state[name] for i, (name, kind) in enumerate(zip(names, kinds, strict=True))}
