"""Laws that networks, weight spaces and networks over networks must keep, one assertion each. For your tests, too."""

from wsgraph.testing.batches import assert_batch_consistent
from wsgraph.testing.equivariance import assert_equivariant, assert_invariant
from wsgraph.testing.function import assert_function_preserved
from wsgraph.testing.random_graphs import random_graphs
from wsgraph.testing.roundtrip import assert_roundtrip
from wsgraph.testing.routes import assert_routes_agree
from wsgraph.testing.sensitivity import assert_sensitive

__all__ = [
    "assert_batch_consistent",
    "assert_equivariant",
    "assert_function_preserved",
    "assert_invariant",
    "assert_roundtrip",
    "assert_routes_agree",
    "assert_sensitive",
    "random_graphs",
]
