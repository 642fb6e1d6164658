"""Networks over networks: one contract, one file a family."""

from wsgraph.nn.models.dual_flow import DualFlow
from wsgraph.nn.models.flat_mlp import FlatMLP
from wsgraph.nn.models.graph_family import GraphFamily
from wsgraph.nn.models.graph_metanetwork import GraphMetanetwork
from wsgraph.nn.models.model import WeightSpaceModel
from wsgraph.nn.models.monomial_nfn import MonomialNFN
from wsgraph.nn.models.neural_graph_gnn import NeuralGraphGNN
from wsgraph.nn.models.neural_graph_transformer import NeuralGraphTransformer
from wsgraph.nn.models.scale_gmn import ScaleGMN

__all__ = [
    "DualFlow",
    "FlatMLP",
    "GraphFamily",
    "GraphMetanetwork",
    "MonomialNFN",
    "NeuralGraphGNN",
    "NeuralGraphTransformer",
    "ScaleGMN",
    "WeightSpaceModel",
]
