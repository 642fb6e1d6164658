"""What transforms of neuron graphs share."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch_geometric.transforms import BaseTransform

from wsgraph.errors import SpaceError
from wsgraph.graph import NeuronGraph, checked_graph
from wsgraph.space import WeightSpace


class WeightTransform(BaseTransform):
    """A transform that gives every graph other weights, all graphs of a space at once.

    It takes a neuron graph or a batch, of one weight space or of several, and returns a new one; or a state dict (of
    one network, or a stack of N) and its weight space, and returns a new state dict. Integers stay as they are.
    """

    def __call__(self, data: Any, space: WeightSpace | None = None) -> Any:
        """The transformed graphs; or the transformed state dict, whose space must be given.

        Raises:
            SpaceError: A state dict comes alone, or something that is neither; or networks of a kind that the
                transform cannot work on.
            StateError: The state dict does not belong to the space.
        """
        if not isinstance(data, Mapping):
            return super().__call__(data)
        if space is None:
            raise SpaceError("A state dict alone has no architecture. Pass its weight space: transform(state, space).")
        weights, integers = space.flatten(data)
        moved = self._moved(space, weights.reshape(-1, space.num_weights))
        return space.unflatten(moved.reshape(weights.shape), integers)

    def forward(self, data: NeuronGraph) -> NeuronGraph:
        """The transformed graphs."""
        checked_graph(data, type(self).__name__)
        data.weights = torch.cat([self._moved(space, matrix).reshape(-1) for space, matrix in data.matrices()])
        return data

    @abstractmethod
    def _moved(self, space: WeightSpace, weights: Tensor) -> Tensor:
        """Other weights ``[N, P]`` for N networks of one space."""

    def __repr__(self) -> str:
        defaults = {name: p.default for name, p in inspect.signature(type(self)).parameters.items()}
        given = {name: value for name, value in vars(self).items() if name != "generator" and value != defaults[name]}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in given.items())})"


def check_width(name: str, value: float, what: str = "the half-width of a range") -> float:
    """A number that is neither negative nor infinite.

    Raises:
        SpaceError: It is.
    """
    if not 0 <= value < float("inf"):
        raise SpaceError(f"{name} is {what} and must be finite and not negative, got {value}.")
    return value
