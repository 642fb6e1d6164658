"""One file of rules per operator family; importing this package registers them all."""

from wsgraph.trace.rules import (
    arithmetic,
    attention,
    concat,
    index,
    linear,
    norm,
    parametrized,
    pixels,
    pointwise,
    pool,
    products,
    recurrent,
    shape,
)

__all__ = [
    "arithmetic",
    "attention",
    "concat",
    "index",
    "linear",
    "norm",
    "parametrized",
    "pixels",
    "pointwise",
    "pool",
    "products",
    "recurrent",
    "shape",
]
