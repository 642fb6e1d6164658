"""Graphs with other weights."""

from __future__ import annotations

import copy

from torch import Tensor

from wsgraph.graph import NeuronGraph


def updated(graphs: NeuronGraph, weights: Tensor) -> NeuronGraph:
    """A graph or batch like ``graphs`` with other weights (of any shape, in their order)."""
    result = copy.copy(graphs)
    result.weights = weights.reshape(-1)
    return result
