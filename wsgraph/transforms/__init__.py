"""Transforms of neuron graphs: exact symmetries, exact augmentations, normalisation."""

from wsgraph.transforms.input_affine import InputAffine, affine_input
from wsgraph.transforms.normalize import Normalize
from wsgraph.transforms.random_symmetry import RandomSymmetry
from wsgraph.transforms.weight_transform import WeightTransform

__all__ = ["InputAffine", "Normalize", "RandomSymmetry", "WeightTransform", "affine_input"]
