"""Networks over networks, and the layers that they are made of."""

from wsgraph.nn.canonical import ScaleEquivariant, ScaleInvariant, canonical
from wsgraph.nn.forward import Forward
from wsgraph.nn.models import DualFlow, FlatMLP
from wsgraph.nn.readout import WeightUpdate, perceptron

__all__ = ["DualFlow", "FlatMLP", "Forward", "ScaleEquivariant", "ScaleInvariant", "WeightUpdate", "canonical", "perceptron"]
