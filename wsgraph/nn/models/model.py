"""The contract that all families share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from wsgraph.errors import WSGraphError
from wsgraph.graph import NeuronGraph, checked_space
from wsgraph.graph.block_size import block_sizes, spread
from wsgraph.nn.phases import inverse, with_turns, without_turns
from wsgraph.nn.updated import updated
from wsgraph.space import WeightSpace

if TYPE_CHECKING:
    from typing_extensions import Self


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

    symmetries: ClassVar[frozenset[str]] = frozenset({"permutations", "scales"})
    """What leaves the answers of the family, or moves its updates: ``"permutations"``, ``"scales"`` (signs, too)."""
    takes_off_turns: ClassVar[bool] = True
    """Whether half turns before sines are taken off the weights first, and put back on what comes out."""
    block_sizes: Tensor
    """What every block is divided by, ``[blocks]``: 1, until :meth:`normalize_by` is called."""

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
        self.register_buffer("block_sizes", torch.ones(len(space.blocks)))
        self._normalizes = False
        self.register_load_state_dict_post_hook(_read_sizes)

    def normalize_by(self, graphs: NeuronGraph) -> Self:
        """From now on, divide every block by its root mean square over these networks: those of a training set.

        One number a block, whatever the unit, so that all symmetries stay; updated weights are multiplied back. The
        sizes are stored with the parameters.

        Args:
            graphs: Networks of the model's weight space.

        Raises:
            SpaceError: They are of another weight space, or have weights that are not finite.

        Example:
            >>> import torch, wsgraph
            >>> from torch.nn import Linear, Sequential, Tanh
            >>> models = [Sequential(Linear(2, 8), Tanh(), Linear(8, 1)) for _ in range(4)]
            >>> space = wsgraph.trace(models[0])
            >>> graphs = wsgraph.to_graphs([m.state_dict() for m in models], space)
            >>> model = wsgraph.nn.MonomialNFN(space, 16, 2, out_channels=10).normalize_by(graphs)
            >>> model.block_sizes.shape
            torch.Size([4])
        """
        checked_space(graphs, self.space, type(self).__name__)
        self.block_sizes.copy_(block_sizes(graphs)[self.space])
        _read_sizes(self)
        return self

    def forward(self, graphs: NeuronGraph) -> Tensor | NeuronGraph:
        """Outputs ``[B, out_channels]``, or a batch of updated graphs.

        Raises:
            SpaceError: The graphs are not of the model's weight space.
        """
        checked_space(graphs, self.space, type(self).__name__)
        return self._prepared(graphs, self._answer)

    def _prepared(
        self, graphs: NeuronGraph, answer: Callable[[NeuronGraph], Tensor | NeuronGraph]
    ) -> Tensor | NeuronGraph:
        """The answer for the graphs without half turns and in units of the block sizes, from which updates return."""
        turns = None
        if self.takes_off_turns:
            graphs, turns = without_turns(graphs)
        result = answer(self._resized(graphs, -1))
        if isinstance(result, Tensor):
            return result
        result = self._resized(result, 1)
        return result if turns is None else with_turns(result, inverse(turns))

    def _resized(self, graphs: NeuronGraph, power: int) -> NeuronGraph:
        """Every block times a power of its size."""
        if not self._normalizes:
            return graphs
        checked_space(graphs, self.space, f"{type(self).__name__}, which normalises its input,")
        return updated(graphs, graphs.weight_matrix * spread(self.space, self.block_sizes**power).to(graphs.weights))

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


def _read_sizes(model: WeightSpaceModel, _keys: object = None) -> None:
    """Note whether blocks have sizes other than 1, once, so that no call asks the device for it."""
    model._normalizes = bool((model.block_sizes != 1).any())
