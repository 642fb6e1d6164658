"""The SIREN: a multilayer perceptron with sine activations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from wsgraph.errors import WSGraphError
from wsgraph.zoo.initial import draw_states


class Siren(nn.Module):
    r"""The sinusoidal network of Sitzmann et al. (2020), `arXiv:2006.09661 <https://arxiv.org/abs/2006.09661>`_.

    .. math:: h_0 = x, \qquad h_l = \sin(ω (W_l h_{l-1} + b_l)), \qquad f(x) = W_L h_{L-1} + b_L

    Args:
        in_features: Coordinates of a point.
        hidden: Width of each sine layer, at least one.
        out_features: Values at a point.
        omega: The frequency ω, of every sine layer.

    Shapes:
        - **input:** points ``[..., in_features]``
        - **output:** values ``[..., out_features]``

    Raises:
        WSGraphError: A width below 1, no hidden layer, or a frequency that is not positive and finite.

    Example:
        >>> import torch
        >>> from wsgraph.zoo import Siren
        >>> model = Siren(hidden=(16, 16))
        >>> model
        Siren(in_features=2, hidden=(16, 16), out_features=1, omega=30.0)
        >>> model(torch.zeros(5, 2)).shape
        torch.Size([5, 1])
    """

    def __init__(
        self,
        in_features: int = 2,
        hidden: Sequence[int] = (32, 32),
        out_features: int = 1,
        omega: float = 30.0,
    ) -> None:
        super().__init__()
        self.sizes = check_sizes((in_features, *hidden, out_features))
        self.omega = check_omega(omega)
        self.layers = nn.ModuleList(nn.Linear(fan_in, fan_out) for fan_in, fan_out in pairwise(self.sizes))
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw all parameters anew, by the initialisation of the paper.

        Args:
            generator: Source of randomness, or None for torch's global one.
        """
        dtype = next(self.parameters()).dtype
        states = draw_states(1, self.sizes, self.omega, generator=generator, dtype=dtype)
        self.load_state_dict({name: stack[0] for name, stack in states.items()})

    def forward(self, x: Tensor) -> Tensor:
        """The values ``[..., out_features]`` at points ``[..., in_features]``."""
        for layer in self.layers[:-1]:
            x = torch.sin(self.omega * layer(x))
        return self.layers[-1](x)

    def __repr__(self) -> str:
        in_features, *hidden, out_features = self.sizes
        return (
            f"Siren(in_features={in_features}, hidden={tuple(hidden)}, out_features={out_features}, omega={self.omega})"
        )


def check_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    """The widths of a SIREN, from input to output, as a tuple.

    Raises:
        WSGraphError: A width below 1, or no hidden layer.
    """
    if len(sizes) < 3:
        raise WSGraphError("A Siren needs at least one hidden layer: pass hidden=(width, ...), e.g. hidden=(32, 32).")
    if any(size < 1 for size in sizes):
        raise WSGraphError(f"Every width of a Siren must be at least 1, but from input to output they are {sizes}.")
    return tuple(int(size) for size in sizes)


def check_omega(omega: float) -> float:
    """The frequency of a SIREN, as a float.

    Raises:
        WSGraphError: It is not positive and finite.
    """
    if not (omega > 0 and math.isfinite(omega)):
        raise WSGraphError(f"The frequency omega must be positive and finite, not {omega}; 30.0 is the usual choice.")
    return float(omega)
