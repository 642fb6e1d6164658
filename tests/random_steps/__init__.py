"""All kinds of steps that random networks are made of; importing this package registers them.

The first choice of every option is the plainest.
"""

from random_steps import (
    activations,
    attention,
    heads,
    loops,
    maps,
    norms,
    numbers,
    parameters,
    shapes,
    sums,
    units,
)

__all__ = [
    "activations",
    "attention",
    "heads",
    "loops",
    "maps",
    "norms",
    "numbers",
    "parameters",
    "shapes",
    "sums",
    "units",
]
