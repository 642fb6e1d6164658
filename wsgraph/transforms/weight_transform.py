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
        pieces, start = [], 0
        for space, count in data.runs():
            end = start + count * space.num_weights
            pieces.append(self._moved(space, data.weights[start:end].view(count, -1)).reshape(-1))
            start = end
        data.weights = torch.cat(pieces)
        return data

    @abstractmethod
    def _moved(self, space: WeightSpace, weights: Tensor) -> Tensor:
        """Other weights ``[N, P]`` for N networks of one space."""
