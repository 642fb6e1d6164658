"""From states of units to answers about networks."""

from wsgraph.nn.readout.feature_update import FeatureUpdate
from wsgraph.nn.readout.part_pool import PartPool
from wsgraph.nn.readout.perceptron import perceptron
from wsgraph.nn.readout.state_pool import StatePool
from wsgraph.nn.readout.weight_update import WeightUpdate

__all__ = ["FeatureUpdate", "PartPool", "StatePool", "WeightUpdate", "perceptron"]
