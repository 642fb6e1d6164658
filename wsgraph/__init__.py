"""Neural networks as data: neuron graphs, their symmetries, and networks over networks."""

from wsgraph.errors import SpaceError, StateError, TraceError, WSGraphError
from wsgraph.space import ScaleSet, Symmetry, WeightSpace
from wsgraph.trace import trace, verify

__version__ = "0.1.0"

__all__ = [
    "ScaleSet",
    "SpaceError",
    "StateError",
    "Symmetry",
    "TraceError",
    "WSGraphError",
    "WeightSpace",
    "trace",
    "verify",
]
