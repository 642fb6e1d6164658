"""From a module to its weight space, through ``torch.export``."""

from wsgraph.trace import rules as rules  # registers them
from wsgraph.trace.interpreter import trace
from wsgraph.trace.registry import rule
from wsgraph.trace.verify import verify

__all__ = ["rule", "trace", "verify"]
