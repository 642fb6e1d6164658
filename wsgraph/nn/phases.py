"""Half turns before sines, taken off the weights before a model sees them, and put back on what it returns."""

from __future__ import annotations

import torch
from torch import Tensor

from wsgraph.graph import NeuronGraph
from wsgraph.nn.updated import updated
from wsgraph.space import WeightSpace

Turns = list[list[Tensor]]
"""For each run of graphs of one space, and each of its phase classes, half turns ``[count, units]``."""


def without_turns(graphs: NeuronGraph) -> tuple[NeuronGraph, Turns]:
    """The graphs with biases as near to 0 as half turns bring them, and these turns: the same for all that only
    half turns tell apart. Weights after half turns are differentiable in the weights before.
    """
    turns = [half_turns(space, matrix) for space, matrix in graphs.matrices()]
    return with_turns(graphs, turns), turns


def with_turns(graphs: NeuronGraph, turns: Turns) -> NeuronGraph:
    """The graphs after half turns."""
    if not any(turns):
        return graphs
    moved = [turned(space, matrix, k) for (space, matrix), k in zip(graphs.matrices(), turns, strict=True)]
    return updated(graphs, torch.cat([matrix.reshape(-1) for matrix in moved]))


def inverse(turns: Turns) -> Turns:
    """The half turns that undo these."""
    return [[-k * parity(k) for k in classes] for classes in turns]


def half_turns(space: WeightSpace, weights: Tensor) -> list[Tensor]:
    """The half turns k ``[B, units]`` of each phase class that bring the biases of weights ``[B, P]`` nearest to 0."""
    found = {}
    for i, block in enumerate(space.blocks):
        if block.turns is not None:
            bias = space.block_view(weights.detach(), i).reshape(len(weights), block.shape[0], -1)[..., 0]
            nearest = torch.round(bias / space.phases[block.turns].period)
            found[block.turns] = -nearest * parity(nearest)
    return [found[number] for number in range(len(space.phases))]


def turned(space: WeightSpace, weights: Tensor, turns: list[Tensor]) -> Tensor:
    """Weights ``[B, P]`` after half turns: b -> (-1)^k b + k π / ω, and the rows of W -> (-1)^k W."""
    if not space.phases:
        return weights
    parts = []
    for i, (block, part) in enumerate(zip(space.blocks, space.slices, strict=True)):
        values = weights[:, part]
        for number, axis in enumerate(block.axes):
            if axis.phase is not None:
                view = space.block_view(weights, i)
                signs = parity(turns[axis.phase])
                values = (view * _along(signs, number, view.dim())).reshape(values.shape)
        if block.turns is not None:
            shift = space.phases[block.turns].period * turns[block.turns]
            view = values.reshape(len(weights), *block.shape)
            values = (view + _along(shift, 0, view.dim())).reshape(values.shape)
        parts.append(values)
    return torch.cat(parts, dim=1)


def parity(turns: Tensor) -> Tensor:
    """(-1)^k."""
    return 1 - 2 * (turns % 2)


def _along(values: Tensor, axis: int, dims: int) -> Tensor:
    """Values ``[B, units]`` along one axis of a block of ``[B, ...]``."""
    return values.reshape(len(values), *[1] * axis, -1, *[1] * (dims - axis - 2))
