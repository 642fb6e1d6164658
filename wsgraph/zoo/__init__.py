"""Train many small networks at once: implicit neural representations of images, ready to be read as data."""

from wsgraph.zoo.fitted import FittedINRs
from wsgraph.zoo.images import pixel_grid
from wsgraph.zoo.inrs import fit_inrs
from wsgraph.zoo.siren import Siren

__all__ = ["FittedINRs", "Siren", "fit_inrs", "pixel_grid"]
