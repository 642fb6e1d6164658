"""The weight space of an architecture, and its symmetries. Knows tensors only."""

from wsgraph.space.matrix_set import MatrixSet
from wsgraph.space.parts import Axis, Block, Connection, NeuronGroup, NeuronLayer, Pin, Plane, Pointwise, TensorSpec
from wsgraph.space.scale import Factor, PhaseClass, ScaleClass, ScaleSet
from wsgraph.space.shift import Shift
from wsgraph.space.symmetry import Symmetry
from wsgraph.space.weight_space import WeightSpace

__all__ = [
    "Axis",
    "Block",
    "Connection",
    "Factor",
    "MatrixSet",
    "NeuronGroup",
    "NeuronLayer",
    "PhaseClass",
    "Pin",
    "Plane",
    "Pointwise",
    "ScaleClass",
    "ScaleSet",
    "Shift",
    "Symmetry",
    "TensorSpec",
    "WeightSpace",
]
