"""Graphs of one weight space, laid block by block."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import torch
from torch import Tensor

from wsgraph.graph.links import Link
from wsgraph.graph.topology import edge_kind, topology
from wsgraph.nn.readout import FeatureUpdate, PartPool
from wsgraph.nn.readout.feature_update import Changed, changed_by
from wsgraph.nn.structure import Flow, flow_weights, structure
from wsgraph.nn.units import unit_table
from wsgraph.nn.wiring.wires import TARGET, degrees, positions_along, sizes_of, wires
from wsgraph.nn.wiring.wiring import Reduction, Values, Wires, Wiring, node_numbers
from wsgraph.space import WeightSpace
from wsgraph.space.per_space import per_space

REDUCTIONS: dict[Reduction, tuple[Callable[..., Tensor], Callable[[Tensor, Tensor], Tensor]]] = {
    "sum": (torch.sum, torch.add),
    "amax": (torch.amax, torch.maximum),
    "amin": (torch.amin, torch.minimum),
}
"""How to reduce axes of one tensor, and how to join two."""


class DenseWiring(Wiring):
    """B graphs of one weight space: values of nodes are ``[B, N, C]``, those of a link's edges views of one tensor.

    Args:
        space: The weight space.
        weights: ``[B, P]``.
        parallel: Whether every kernel position is an edge of its own; if not, those of large kernels are.
    """

    def __init__(self, space: WeightSpace, weights: Tensor, parallel: bool) -> None:
        self.space, self.weights, self.parallel = space, weights, parallel
        self.wires = wires(space)
        self.units = unit_table(space).to(weights.device)
        self.layer = topology(space).node_layer.to(weights.device)
        self.layers = [(space, i) for i in range(len(space.layers))]
        self.numbers, _ = node_numbers(space, weights)
        self.sizes = [sizes_of(space, parallel)]

    def matrices(self) -> list[tuple[WeightSpace, Tensor]]:
        """The weight space and all weights."""
        return [(self.space, self.weights)]

    def edges(self) -> list[Wires]:
        """Those of every link."""
        return [self._edges_of(link) for link in self.wires]

    def _edges_of(self, link: Link) -> Wires:
        numbers = flow_weights(self.space, Flow(link), self.weights)  # [B, pieces, targets, sources, kernel]
        count = positions_along(link, self.parallel)
        numbers = numbers[..., None] if count == link.kernel else numbers[:, :, :, :, None]
        offset = torch.arange(count, device=numbers.device)
        kind, depth = (torch.full_like(offset, n) for n in (edge_kind(link), structure(self.space).depth[link.target]))
        return Wires(numbers, kind, depth, offset)

    def at(self, end: int, x: Tensor) -> Values:
        """Views, of size 1 along the units of the other end."""
        units = x.split(self._layer_sizes(), dim=1)
        pieces = [units[_layer_at(link, end)].unflatten(1, (link.pieces, -1)) for link in self.wires]
        return [p[:, :, :, None, None] if end == TARGET else p[:, :, None, :, None] for p in pieces]

    def reduced(self, end: int, values: Values, how: Reduction = "sum") -> Tensor:
        """Over two axes of every link, then over the links of a layer."""
        found: list[Values] = [[] for _ in self.layers]
        within, between = REDUCTIONS[how]
        for link, value in zip(self.wires, values, strict=True):
            found[_layer_at(link, end)].append(within(_turned(end, value), (3, 4)).flatten(1, 2))
        channels = values[0].shape[-1] if values else 1
        zeros = self.numbers.new_zeros(len(self.weights), 1, channels)
        rows = [
            reduce(between, here) if here else zeros.expand(-1, size, -1)
            for here, size in zip(found, self._layer_sizes(), strict=True)
        ]
        return torch.cat(rows, dim=1)

    def softmax(self, end: int, scores: Values) -> Values:
        """Over two axes of all links of a layer together."""
        answers: dict[int, Tensor] = {}
        for layer in range(len(self.layers)):
            here = [i for i, link in enumerate(self.wires) if _layer_at(link, end) == layer]
            if not here:
                continue
            rows = [_turned(end, scores[i]).flatten(3, 4).flatten(1, 2) for i in here]  # [B, units, m, heads]
            parts = torch.cat(rows, dim=2).softmax(2).split([row.shape[2] for row in rows], dim=2)
            for i, part in zip(here, parts, strict=True):
                shape = _turned(end, scores[i]).shape
                answers[i] = _turned(end, part.reshape(shape))
        return [answers[i] for i in range(len(scores))]

    def degree(self, end: int) -> Tensor:
        """The same for all units of a layer."""
        return degrees(self.space, self.parallel)[end].to(self.numbers)[self.layer][:, None]

    def mean(self, x: Tensor) -> Tensor:
        """Over the second axis."""
        return x.mean(1)

    def spread(self, u: Tensor) -> Tensor:
        """A view."""
        return u[:, None]

    def pooled(self, pool: PartPool, x: Tensor) -> Tensor:
        """Layer by layer."""
        return pool.dense(self.space, list(x.split(self._layer_sizes(), dim=1)))

    def updated(self, update: FeatureUpdate, x: Tensor, values: Values) -> Tensor:
        """``[B, P]``."""
        edges = {Flow(link): value.flatten(3, 4) for link, value in zip(self.wires, values, strict=True)}
        return update.dense(self.space, self.weights, [x], edges, changed_by_wires)

    def _layer_sizes(self) -> list[int]:
        return [self.space.size(i) for _, i in self.layers]


@per_space
def changed_by_wires(space: WeightSpace) -> Changed:
    """What nodes and wires change."""
    return changed_by(space, wires(space))


def _layer_at(link: Link, end: int) -> int:
    return link.target if end == TARGET else link.source


def _turned(end: int, value: Tensor) -> Tensor:
    """``[B, pieces, units at this end, units at the other, kernel, C]``; done twice, it is undone."""
    return value if end == TARGET else value.transpose(2, 3)
