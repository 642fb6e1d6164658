"""Neuron graphs: a weight space and one flat vector, as PyTorch Geometric data."""

from wsgraph.graph.convert import batch_of, batches, take, to_graph, to_graphs, to_state_dict
from wsgraph.graph.links import Link, links
from wsgraph.graph.neuron_graph import NeuronGraph, checked_graph, checked_space
from wsgraph.graph.topology import EDGE_KINDS, NODE_FEATURES, OPERATORS, Edges, Topology, topology

__all__ = [
    "EDGE_KINDS",
    "NODE_FEATURES",
    "OPERATORS",
    "Edges",
    "Link",
    "NeuronGraph",
    "Topology",
    "batch_of",
    "batches",
    "checked_graph",
    "checked_space",
    "links",
    "take",
    "to_graph",
    "to_graphs",
    "to_state_dict",
    "topology",
]
