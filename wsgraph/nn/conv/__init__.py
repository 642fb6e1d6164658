"""Message-passing layers over neuron graphs, and what they are made of."""

from wsgraph.nn.conv.edge_update import EdgeUpdate
from wsgraph.nn.conv.metanetwork_conv import MetanetworkConv
from wsgraph.nn.conv.neural_graph_conv import NeuralGraphConv
from wsgraph.nn.conv.node_update import DualUpdate, NodeUpdate
from wsgraph.nn.conv.relational_attention import RelationalAttention
from wsgraph.nn.conv.scale_edge_update import ScaleEdgeUpdate
from wsgraph.nn.conv.scale_equivariant_conv import ScaleEquivariantConv
from wsgraph.nn.conv.scale_messages import ScaleMessages

__all__ = [
    "DualUpdate",
    "EdgeUpdate",
    "MetanetworkConv",
    "NeuralGraphConv",
    "NodeUpdate",
    "RelationalAttention",
    "ScaleEdgeUpdate",
    "ScaleEquivariantConv",
    "ScaleMessages",
]
