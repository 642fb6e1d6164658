"""Networks over networks, and the layers that they are made of."""

from wsgraph.nn.canonical import Freedom, ScaleEquivariant, ScaleInvariant, canonical
from wsgraph.nn.conv import ScaleEquivariantConv
from wsgraph.nn.encoder import NeuronEncoder
from wsgraph.nn.forward import Forward
from wsgraph.nn.models import DualFlow, FlatMLP, MonomialNFN, ScaleGMN, WeightSpaceModel
from wsgraph.nn.monomial import MonomialLayout, MonomialLinear
from wsgraph.nn.readout import FeatureUpdate, PartPool, StatePool, WeightUpdate, perceptron

__all__ = [
    "DualFlow",
    "FeatureUpdate",
    "FlatMLP",
    "Forward",
    "Freedom",
    "MonomialLayout",
    "MonomialLinear",
    "MonomialNFN",
    "NeuronEncoder",
    "PartPool",
    "ScaleEquivariant",
    "ScaleEquivariantConv",
    "ScaleGMN",
    "ScaleInvariant",
    "StatePool",
    "WeightSpaceModel",
    "WeightUpdate",
    "canonical",
    "perceptron",
]
