"""Message-passing layers over neuron graphs."""

from wsgraph.nn.conv.scale_equivariant_conv import ScaleEquivariantConv

__all__ = ["ScaleEquivariantConv"]
