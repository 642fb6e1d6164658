"""Networks with random weights that hide nothing."""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor

from wsgraph.graph import NeuronGraph, batch_of, links
from wsgraph.space import Connection, WeightSpace
from wsgraph.space.draws import normal, uniform
from wsgraph.testing.moves import seeded

GAIN = 1.2
"""Above the usual 1, so that signals do not fade in deep networks and every operator does something."""


def random_graphs(
    space: WeightSpace, num: int, generator: torch.Generator | None = None, *, dtype: torch.dtype | None = None
) -> NeuronGraph:
    """A batch of networks with random weights in every tensor, none of them zero, equal or at its usual start.

    Weights are normal, scaled by the number of inputs of their unit; biases, running means and shifts are small;
    running variances are positive; gains of normalisations lie around 1 and -1, slopes between 0.1 and 0.5.

    Args:
        space: The weight space.
        num: Number of networks.
        generator: Source of randomness; seeded with 0 if not given.
        dtype: Floating type of the weights, the default one if not given. The numbers are drawn in float64.

    Example:
        >>> import torch, wsgraph
        >>> from wsgraph.testing import random_graphs
        >>> random_graphs(wsgraph.trace(torch.nn.Linear(3, 2)), num=4)
        NeuronGraphBatch(4 networks, 20 nodes, 24 edges, 32 weights)
    """
    generator = seeded(generator)
    weights = torch.empty(num, space.num_weights, dtype=torch.float64)
    uses: dict[int, Connection] = {}
    for connection in space.connections:
        if connection.block is not None:
            uses.setdefault(connection.block, connection)
    for block, part in enumerate(space.slices):
        shape = (num, space.blocks[block].numel)
        drawn = normal(*shape, generator=generator), uniform(*shape, generator=generator)
        weights[:, part] = _values(space, uses.get(block), *drawn)
    integers = torch.randint(2, (num, space.num_integers), generator=generator)
    return batch_of(weights.to(dtype or torch.get_default_dtype()), space, integers)


def _values(space: WeightSpace, use: Connection | None, normal: Tensor, uniform: Tensor) -> Tensor:
    """Numbers that suit the role of a block, from standard normal and uniform ones."""
    role = "bias" if use is None else use.role
    if role in ("weight", "part") and use is not None and use.source is not None:
        return normal * (GAIN / sqrt(_fan_in(space, use.target)))
    if role == "variance":
        return 0.3 + 1.7 * uniform
    if role in ("gain", "operand", "part"):
        return (1 + 0.3 * normal) * torch.sign(uniform - 0.5)
    return 0.1 + 0.4 * uniform if role == "slope" else 0.3 * normal


def _fan_in(space: WeightSpace, layer: int) -> int:
    """Number of weights that enter a unit of a layer."""
    entering = (link for link in links(space) if link.target == layer and link.block is not None)
    return max(sum(link.sources * link.kernel for link in entering), 1)
