"""Pictures of neuron graphs: unit by unit for small networks, layer by layer for large ones."""

from wsgraph.graph.drawing.draw import draw, shows_units

__all__ = ["draw", "shows_units"]
