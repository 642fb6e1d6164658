"""Neuron graphs: a weight space and one flat vector, as PyTorch Geometric data."""

from wsgraph.graph.convert import batch_of, batches, take, to_graph, to_graphs, to_state_dict
from wsgraph.graph.neuron_graph import NeuronGraph, checked_graph, checked_space
from wsgraph.graph.topology import NODE_FEATURES, OPERATORS, Topology, topology

__all__ = [
    "NODE_FEATURES",
    "OPERATORS",
    "NeuronGraph",
    "Topology",
    "batch_of",
    "batches",
    "checked_graph",
    "checked_space",
    "take",
    "to_graph",
    "to_graphs",
    "to_state_dict",
    "topology",
]
