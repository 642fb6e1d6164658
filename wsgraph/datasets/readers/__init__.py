"""Published data sets of trained networks, from the files that are on the disk, into data sets of this package.

Nothing is downloaded: the description of each reader says where the files are, what they hold, and what to beware of.

Example:
    >>> from wsgraph.datasets.readers import read_small_cnn_zoo
    >>> networks = read_small_cnn_zoo("cifar10", "cifar10-zoo", order="cifar10_split.csv")  # doctest: +SKIP
    >>> train = networks.where("split == 'train' and activation == 'relu'")  # doctest: +SKIP
"""

from wsgraph.datasets.readers.cifar_inrs import read_cifar_inrs
from wsgraph.datasets.readers.fashion_mnist_inrs import read_fashion_mnist_inrs
from wsgraph.datasets.readers.mnist_inrs import read_mnist_inrs
from wsgraph.datasets.readers.model_zoo_file import read_model_zoo_file
from wsgraph.datasets.readers.model_zoos import read_model_zoo
from wsgraph.datasets.readers.sine_network import SineNetwork
from wsgraph.datasets.readers.small_cnn import SmallCNN
from wsgraph.datasets.readers.small_cnn_zoo import read_small_cnn_zoo
from wsgraph.datasets.readers.small_transformer import SmallTransformer, TransformerShape
from wsgraph.datasets.readers.small_transformer_zoo import read_small_transformer_zoo
from wsgraph.datasets.readers.wild_cnn import WildCNN
from wsgraph.datasets.readers.wild_park import read_cnn_wild_park
from wsgraph.datasets.readers.zoo_cnn import ZooCNN

__all__ = [
    "SineNetwork",
    "SmallCNN",
    "SmallTransformer",
    "TransformerShape",
    "WildCNN",
    "ZooCNN",
    "read_cifar_inrs",
    "read_cnn_wild_park",
    "read_fashion_mnist_inrs",
    "read_mnist_inrs",
    "read_model_zoo",
    "read_model_zoo_file",
    "read_small_cnn_zoo",
    "read_small_transformer_zoo",
]
