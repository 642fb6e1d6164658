"""From states of units to answers about networks."""

from wsgraph.nn.readout.dual_invariant import DualInvariant
from wsgraph.nn.readout.feature_update import FeatureUpdate
from wsgraph.nn.readout.fixed_units import FixedUnits
from wsgraph.nn.readout.outer_update import OuterUpdate
from wsgraph.nn.readout.part_pool import PartPool
from wsgraph.nn.readout.perceptron import perceptron
from wsgraph.nn.readout.state_pool import StatePool
from wsgraph.nn.readout.weight_update import WeightUpdate

__all__ = [
    "DualInvariant",
    "FeatureUpdate",
    "FixedUnits",
    "OuterUpdate",
    "PartPool",
    "StatePool",
    "WeightUpdate",
    "perceptron",
]
