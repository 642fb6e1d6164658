"""What may be added to parameters: a walk back through the program, from what it returns to what it reads."""

from wsgraph.trace.additive import contractions, norms, picks, pooling, shapes, sums
from wsgraph.trace.additive.find import find_shifts

__all__ = ["contractions", "find_shifts", "norms", "picks", "pooling", "shapes", "sums"]
