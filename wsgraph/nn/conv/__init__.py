"""Message-passing layers over neuron graphs."""

from wsgraph.nn.conv.edge_update import EdgeUpdate
from wsgraph.nn.conv.metanetwork_conv import MetanetworkConv
from wsgraph.nn.conv.neural_graph_conv import NeuralGraphConv
from wsgraph.nn.conv.relational_attention import RelationalAttention
from wsgraph.nn.conv.scale_equivariant_conv import ScaleEquivariantConv

__all__ = ["EdgeUpdate", "MetanetworkConv", "NeuralGraphConv", "RelationalAttention", "ScaleEquivariantConv"]
