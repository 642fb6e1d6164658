"""What can go wrong, in four words. Every class is also a ``ValueError``."""


class WSGraphError(ValueError):
    """Base of every error that this package raises on purpose."""


class TraceError(WSGraphError):
    """A module that cannot be traced, or an input that does not fit it."""


class StateError(WSGraphError):
    """A state dict that does not belong to the weight space it is used with."""


class SpaceError(WSGraphError):
    """A graph, symmetry or description that does not belong to this weight space."""
