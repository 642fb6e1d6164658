"""Message-passing layers over neuron graphs, and what they are made of."""

from wsgraph.nn.conv.edge_update import EdgeUpdate
from wsgraph.nn.conv.node_update import DualUpdate, NodeUpdate
from wsgraph.nn.conv.scale_equivariant_conv import ScaleEquivariantConv
from wsgraph.nn.conv.scale_messages import ScaleMessages

__all__ = ["DualUpdate", "EdgeUpdate", "NodeUpdate", "ScaleEquivariantConv", "ScaleMessages"]
