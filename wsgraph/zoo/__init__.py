"""Train many small networks at once: implicit neural representations and classifiers, ready to be read as data."""

from wsgraph.zoo.audio import fit_audio
from wsgraph.zoo.classifiers import train_classifiers
from wsgraph.zoo.distributions import Choice, Constant, LogUniform, Uniform
from wsgraph.zoo.fitted import FittedINRs
from wsgraph.zoo.hyperparameters import Hyperparameters
from wsgraph.zoo.images import pixel_grid
from wsgraph.zoo.inr_dataset import fit_inr_dataset
from wsgraph.zoo.inrs import fit_inrs
from wsgraph.zoo.shapes import fit_shapes
from wsgraph.zoo.siren import Siren
from wsgraph.zoo.small_cnn import small_cnn

__all__ = [
    "Choice",
    "Constant",
    "FittedINRs",
    "Hyperparameters",
    "LogUniform",
    "Siren",
    "Uniform",
    "fit_audio",
    "fit_inr_dataset",
    "fit_inrs",
    "fit_shapes",
    "pixel_grid",
    "small_cnn",
    "train_classifiers",
]
