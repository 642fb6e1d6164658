"""From states of units to answers about networks."""

from wsgraph.nn.readout.perceptron import perceptron
from wsgraph.nn.readout.weight_update import WeightUpdate

__all__ = ["WeightUpdate", "perceptron"]
