"""Networks over networks, and the layers that they are made of."""

from wsgraph.nn.canonical import Freedom, ScaleEquivariant, ScaleInvariant, canonical
from wsgraph.nn.conv import EdgeUpdate, MetanetworkConv, NeuralGraphConv, RelationalAttention, ScaleEquivariantConv
from wsgraph.nn.dual_states import dual_states
from wsgraph.nn.encoder import NeuronEncoder
from wsgraph.nn.forward import Forward
from wsgraph.nn.global_node import GlobalNode
from wsgraph.nn.models import (
    DualFlow,
    FlatMLP,
    GraphFamily,
    GraphMetanetwork,
    MonomialNFN,
    NeuralGraphGNN,
    NeuralGraphTransformer,
    ScaleGMN,
    WeightSpaceModel,
)
from wsgraph.nn.monomial import MonomialLayout, MonomialLinear
from wsgraph.nn.probes import Probes
from wsgraph.nn.readout import (
    DualInvariant,
    FeatureUpdate,
    FixedUnits,
    OuterUpdate,
    PartPool,
    StatePool,
    WeightUpdate,
    perceptron,
)
from wsgraph.nn.typed_encoder import TypedEncoder
from wsgraph.nn.wiring import DenseWiring, SparseWiring, Wiring

__all__ = [
    "DenseWiring",
    "DualFlow",
    "DualInvariant",
    "EdgeUpdate",
    "FeatureUpdate",
    "FixedUnits",
    "FlatMLP",
    "Forward",
    "Freedom",
    "GlobalNode",
    "GraphFamily",
    "GraphMetanetwork",
    "MetanetworkConv",
    "MonomialLayout",
    "MonomialLinear",
    "MonomialNFN",
    "NeuralGraphConv",
    "NeuralGraphGNN",
    "NeuralGraphTransformer",
    "NeuronEncoder",
    "OuterUpdate",
    "PartPool",
    "Probes",
    "RelationalAttention",
    "ScaleEquivariant",
    "ScaleEquivariantConv",
    "ScaleGMN",
    "ScaleInvariant",
    "SparseWiring",
    "StatePool",
    "TypedEncoder",
    "WeightSpaceModel",
    "WeightUpdate",
    "Wiring",
    "canonical",
    "dual_states",
    "perceptron",
]
