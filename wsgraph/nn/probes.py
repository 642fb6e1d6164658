"""What the units of networks answer to learned inputs, as features of nodes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from wsgraph.errors import SpaceError
from wsgraph.nn.forward import Forward
from wsgraph.nn.reset import reset_children
from wsgraph.space import WeightSpace
from wsgraph.space.per_space import per_space


class Probes(nn.Module):
    """Learned inputs pushed through every network (:class:`wsgraph.nn.Forward`), and a linear map of the answers.

    Networks of other weight spaces get the same inputs, if they have inputs of the same sizes.

    **Symmetry**: equivariant to permutations.

    Args:
        space: The weight space that sizes the inputs.
        probes: Number of learned inputs.
        channels: Width of the features.

    Shapes:
        - **input**: weights ``[B, P]`` of networks of some weight space
        - **output**: ``[B, N, channels]``
    """

    def __init__(self, space: WeightSpace, probes: int, channels: int) -> None:
        super().__init__()
        self.states = Forward(space, probes)
        self.lift = nn.Linear(probes, channels, bias=False)

    def reset_parameters(self) -> None:
        """Draw new inputs and weights."""
        reset_children(self)

    def forward(self, space: WeightSpace, weights: Tensor) -> Tensor:
        """Features of the nodes.

        Raises:
            SpaceError: The networks have inputs of other sizes, or kernels of other sizes.
        """
        if space == self.states.space:
            states = self.states(weights)
        else:
            twin = _twin(space, self.states.channels)
            states = functional_call(twin, self._for(twin), (weights,))
        return self.lift(torch.cat(states, dim=1))

    def _for(self, twin: Forward) -> dict[str, Tensor]:
        """The learned parameters under the names that they have for another weight space."""
        own, other = (list(found.values()) for found in (self.states.inputs, twin.inputs))
        kernels = set(twin.kernels) - set(self.states.kernels)
        if [p.shape for p in own] != [p.shape for p in other] or kernels:
            raise SpaceError(
                f"The probes were made for inputs and kernels of {self.states.space!r}, which those of {twin.space!r} "
                "are not. Use a model without probes."
            )
        named = {f"inputs.{name}": value for name, value in zip(twin.inputs, own, strict=True)}
        return named | {f"kernels.{name}": self.states.kernels[name] for name in twin.kernels}


@per_space
def _twin(space: WeightSpace, probes: int) -> Forward:
    return Forward(space, probes)
