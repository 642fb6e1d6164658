"""What transforms of neuron graphs share."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor
from torch_geometric.transforms import BaseTransform

from wsgraph.graph import NeuronGraph, checked_graph
from wsgraph.space import WeightSpace


class WeightTransform(BaseTransform):
    """A transform that gives every graph other weights, all graphs of a space at once.

    It takes a neuron graph or a batch, of one weight space or of several, and returns a new one.
    """

    def forward(self, data: NeuronGraph) -> NeuronGraph:
        """The transformed graphs.

        Raises:
            SpaceError: These are no neuron graphs, or not of a kind that the transform can work on.
        """
        checked_graph(data, type(self).__name__)
        data.weights = torch.cat([self._moved(space, matrix).reshape(-1) for space, matrix in data.matrices()])
        return data

    @abstractmethod
    def _moved(self, space: WeightSpace, weights: Tensor) -> Tensor:
        """Other weights ``[N, P]`` for N networks of one space."""
