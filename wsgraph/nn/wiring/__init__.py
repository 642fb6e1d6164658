"""Two ways to lay the edges of neuron graphs: block by block for one weight space, and edge by edge for any."""

from wsgraph.nn.wiring.dense_wiring import DenseWiring
from wsgraph.nn.wiring.sparse_wiring import SparseWiring
from wsgraph.nn.wiring.wires import SOURCE, TARGET, Sizes, degrees, sizes_of, wires
from wsgraph.nn.wiring.wiring import Wires, Wiring

__all__ = [
    "SOURCE",
    "TARGET",
    "DenseWiring",
    "Sizes",
    "SparseWiring",
    "Wires",
    "Wiring",
    "degrees",
    "sizes_of",
    "wires",
]
