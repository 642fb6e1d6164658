"""One file of rules per operator family; importing this package registers them all."""

from wsgraph.trace.rules import arithmetic, linear, norm, pointwise, pool, shape

__all__ = ["arithmetic", "linear", "norm", "pointwise", "pool", "shape"]
