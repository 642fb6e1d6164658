"""The weight space of an architecture, and its symmetries. Knows tensors only."""

from wsgraph.space.parts import Axis, Block, Connection, NeuronGroup, NeuronLayer, Pin, Pointwise, TensorSpec
from wsgraph.space.scale import Factor, PhaseClass, ScaleClass, ScaleSet
from wsgraph.space.shift import Shift
from wsgraph.space.symmetry import Symmetry
from wsgraph.space.weight_space import WeightSpace

__all__ = [
    "Axis",
    "Block",
    "Connection",
    "Factor",
    "NeuronGroup",
    "NeuronLayer",
    "PhaseClass",
    "Pin",
    "Pointwise",
    "ScaleClass",
    "ScaleSet",
    "Shift",
    "Symmetry",
    "TensorSpec",
    "WeightSpace",
]
