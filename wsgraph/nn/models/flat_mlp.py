"""FlatMLP: a perceptron on the weight vector, blind to every symmetry."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from wsgraph.nn.models.model import WeightSpaceModel
from wsgraph.nn.readout import perceptron
from wsgraph.nn.reset import reset_children
from wsgraph.space import WeightSpace


class FlatMLP(WeightSpaceModel):
    """A perceptron on the flat weights: the baseline that every equivariant family has to beat.

    **Symmetry**: none.

    Args:
        space: The weight space of the networks that it takes.
        hidden_channels: Width of its hidden layers.
        num_layers: Number of hidden layers.
        out_channels: Number of outputs for each network, or None for updated weights (a change of every weight).

    Shapes:
        - **input**: neuron graphs of ``space``, B of them
        - **output**: ``[B, out_channels]``, or B neuron graphs
    """

    symmetries: ClassVar[frozenset[str]] = frozenset()
    takes_off_turns = False

    def __init__(
        self, space: WeightSpace, hidden_channels: int = 512, num_layers: int = 2, out_channels: int | None = None
    ) -> None:
        super().__init__(space, hidden_channels, num_layers, out_channels)
        outputs = space.num_weights if out_channels is None else out_channels
        self.net: nn.Sequential = perceptron(space.num_weights, hidden_channels, num_layers, outputs)

    def reset_parameters(self) -> None:
        """Draw new initial weights."""
        reset_children(self)

    def _invariant(self, weights: Tensor) -> Tensor:
        return self.net(weights)

    def _updated_weights(self, weights: Tensor) -> Tensor:
        return weights + self.net(weights)
