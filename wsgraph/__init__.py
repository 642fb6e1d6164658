"""Neural networks as data: neuron graphs, their symmetries, and networks over networks."""

from wsgraph import nn, transforms
from wsgraph.errors import SpaceError, StateError, TraceError, WSGraphError
from wsgraph.graph import NeuronGraph, to_graph, to_graphs, to_state_dict
from wsgraph.space import ScaleSet, Symmetry, WeightSpace
from wsgraph.trace import trace, verify

__version__ = "0.1.0"

__all__ = [
    "NeuronGraph",
    "ScaleSet",
    "SpaceError",
    "StateError",
    "Symmetry",
    "TraceError",
    "WSGraphError",
    "WeightSpace",
    "nn",
    "to_graph",
    "to_graphs",
    "to_state_dict",
    "trace",
    "transforms",
    "verify",
]
