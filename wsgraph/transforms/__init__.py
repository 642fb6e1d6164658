"""Transforms of neuron graphs: exact symmetries, exact augmentations, noise, normalisation."""

from wsgraph.transforms.affine_transform import AffineTransform
from wsgraph.transforms.canonicalize import Canonicalize
from wsgraph.transforms.drop_weights import DropWeights
from wsgraph.transforms.input_affine import InputAffine, affine_input
from wsgraph.transforms.normalize import Normalize
from wsgraph.transforms.output_affine import OutputAffine, affine_output
from wsgraph.transforms.random_symmetry import RandomSymmetry
from wsgraph.transforms.weight_noise import WeightNoise
from wsgraph.transforms.weight_transform import WeightTransform

__all__ = [
    "AffineTransform",
    "Canonicalize",
    "DropWeights",
    "InputAffine",
    "Normalize",
    "OutputAffine",
    "RandomSymmetry",
    "WeightNoise",
    "WeightTransform",
    "affine_input",
    "affine_output",
]
