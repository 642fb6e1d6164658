"""The contract that all families share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from wsgraph.errors import WSGraphError
from wsgraph.graph import NeuronGraph, checked_space
from wsgraph.nn.phases import inverse, with_turns, without_turns
from wsgraph.nn.updated import updated
from wsgraph.space import WeightSpace


class WeightSpaceModel(nn.Module, ABC):
    """A network over networks: ``Model(space, hidden_channels, num_layers, out_channels=...)``.

    With ``out_channels=n`` it is invariant and returns ``[B, n]``; with ``out_channels=None`` it is equivariant and
    returns neuron graphs of the same space with updated weights. It is called with a neuron graph or a batch of them.

    Args:
        space: The weight space of the networks that it takes.
        hidden_channels: Width of its features.
        num_layers: Number of its layers.
        out_channels: Number of outputs for each network, or None for updated weights.
    """

    takes_off_turns: ClassVar[bool] = True
    """Whether half turns before sines are taken off the weights first, and put back on what comes out."""

    def __init__(
        self, space: WeightSpace, hidden_channels: int, num_layers: int, out_channels: int | None = None
    ) -> None:
        super().__init__()
        if not isinstance(space, WeightSpace):
            raise WSGraphError(f"Expected a WeightSpace (see wsgraph.trace), got {type(space).__name__}.")
        for name, value in {"hidden_channels": hidden_channels, "num_layers": num_layers}.items():
            if value < 1:
                raise WSGraphError(f"{name} must be at least 1, got {value}.")
        if out_channels is not None and out_channels < 1:
            raise WSGraphError(f"out_channels must be at least 1, or None for updated weights, got {out_channels}.")
        self.space = space
        self.hidden_channels = hidden_channels
        self.num_layers = num_layers
        self.out_channels = out_channels

    def forward(self, graphs: NeuronGraph) -> Tensor | NeuronGraph:
        """Outputs ``[B, out_channels]``, or a batch of updated graphs.

        Raises:
            SpaceError: The graphs are not of the model's weight space.
        """
        checked_space(graphs, self.space, type(self).__name__)
        if not self.takes_off_turns:
            return self._answer(graphs)
        graphs, turns = without_turns(graphs)
        answer = self._answer(graphs)
        return answer if isinstance(answer, Tensor) else with_turns(answer, inverse(turns))

    def _answer(self, graphs: NeuronGraph) -> Tensor | NeuronGraph:
        if self.out_channels is not None:
            return self._invariant(graphs.weight_matrix)
        return updated(graphs, self._updated_weights(graphs.weight_matrix))

    @abstractmethod
    def _invariant(self, weights: Tensor) -> Tensor:
        """Outputs ``[B, out_channels]`` for the weight matrix ``[B, P]``."""

    @abstractmethod
    def _updated_weights(self, weights: Tensor) -> Tensor:
        """Updated weights ``[B, P]``."""

    def __repr__(self) -> str:
        out = "updated weights" if self.out_channels is None else f"{self.out_channels} outputs"
        sizes = f"hidden_channels={self.hidden_channels}, num_layers={self.num_layers}"
        return f"{type(self).__name__}({self.space!r} -> {out}, {sizes})"
