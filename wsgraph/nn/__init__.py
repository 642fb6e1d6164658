"""Networks over networks, and the layers that they are made of."""

from wsgraph.nn.canonical import ScaleEquivariant, ScaleInvariant, canonical
from wsgraph.nn.conv import ScaleEquivariantConv
from wsgraph.nn.dual_states import dual_states
from wsgraph.nn.encoder import NeuronEncoder
from wsgraph.nn.forward import Forward
from wsgraph.nn.models import DualFlow, FlatMLP, MonomialNFN, ScaleGMN, WeightSpaceModel
from wsgraph.nn.monomial import MonomialLayout, MonomialLinear
from wsgraph.nn.readout import DualInvariant, FeatureUpdate, FixedUnits, OuterUpdate, PartPool, WeightUpdate, perceptron

__all__ = [
    "DualFlow",
    "DualInvariant",
    "FeatureUpdate",
    "FixedUnits",
    "FlatMLP",
    "Forward",
    "MonomialLayout",
    "MonomialLinear",
    "MonomialNFN",
    "NeuronEncoder",
    "OuterUpdate",
    "PartPool",
    "ScaleEquivariant",
    "ScaleEquivariantConv",
    "ScaleGMN",
    "ScaleInvariant",
    "WeightSpaceModel",
    "WeightUpdate",
    "canonical",
    "dual_states",
    "perceptron",
]
