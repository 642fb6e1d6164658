"""Networks over networks: one contract, one file a family."""

from wsgraph.nn.models.dual_flow import DualFlow
from wsgraph.nn.models.flat_mlp import FlatMLP
from wsgraph.nn.models.model import WeightSpaceModel
from wsgraph.nn.models.monomial_nfn import MonomialNFN
from wsgraph.nn.models.scale_gmn import ScaleGMN

__all__ = ["DualFlow", "FlatMLP", "MonomialNFN", "ScaleGMN", "WeightSpaceModel"]
