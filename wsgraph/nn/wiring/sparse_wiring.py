"""Graphs of any weight spaces, laid edge by edge."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch_geometric.utils import scatter, softmax

from wsgraph.graph import NeuronGraph
from wsgraph.graph.topology import OPERAND_EDGE, numbers_at
from wsgraph.nn.readout import FeatureUpdate, PartPool
from wsgraph.nn.units import batch_units
from wsgraph.nn.wiring.wires import TARGET, sizes_of, wire_edges
from wsgraph.nn.wiring.wiring import Reduction, Values, Wires, Wiring, node_numbers
from wsgraph.space import WeightSpace


class SparseWiring(Wiring):
    """Graphs of any weight spaces: values of nodes are ``[N, C]``, those of edges ``[E, C]``, sorted by target.

    Args:
        graphs: The graphs.
        parallel: Whether every kernel position is an edge of its own; if not, those of large kernels are.
    """

    def __init__(self, graphs: NeuronGraph, parallel: bool) -> None:
        self.graphs, self.parallel = graphs, parallel
        self.device = graphs.weights.device
        self.units = batch_units(graphs)
        self.layers = [(space, i) for space in graphs.spaces for i in range(len(space.layers))]
        sizes = torch.tensor([space.size(i) for space, i in self.layers], device=self.device)
        self.layer = torch.arange(len(sizes), device=self.device).repeat_interleave(sizes)
        counts = torch.tensor([space.num_nodes for space in graphs.spaces], device=self.device)
        self.batch = torch.arange(len(counts), device=self.device).repeat_interleave(counts)
        self.sizes = [sizes_of(space, parallel) for space in dict.fromkeys(graphs.spaces)]
        found = [node_numbers(space, matrix) for space, matrix in graphs.matrices()]
        self.numbers = torch.cat([numbers.flatten(0, 1) for numbers, _ in found])
        self.index, self._wires = self._laid([gains for _, gains in found])

    def _laid(self, gains: list[Tensor]) -> tuple[Tensor, Wires]:
        """Sources and targets ``[2, E]``, and numbers and tables of all edges."""
        pieces, start = [], 0
        columns = max(size.kernel_entries_in_an_edge for size in self.sizes)
        for (space, matrix), gain in zip(self.graphs.matrices(), gains, strict=True):
            edges, count = wire_edges(space, self.parallel), len(matrix)
            numbers = numbers_at(matrix, edges.weight)
            index, kind = edges.index.to(self.device), edges.kind.to(self.device)
            first = torch.where(kind == OPERAND_EDGE, gain[:, index[TARGET]], numbers[..., 0])
            numbers = torch.cat([first[..., None], numbers[..., 1:]], dim=-1)
            numbers = pad(numbers, (0, columns - numbers.shape[-1])).flatten(0, 1)
            starts = start + space.num_nodes * torch.arange(count, device=self.device)
            ends = (index[:, None] + starts[:, None]).flatten(1)
            pieces.append((ends, numbers, kind.repeat(count), edges.offset.to(self.device).repeat(count)))
            start += count * space.num_nodes
        ends, numbers, kind, offset = (
            torch.cat(found, dim=1 if i == 0 else 0) for i, found in enumerate(zip(*pieces, strict=True))
        )
        return ends, Wires(numbers, kind, self.units.depth[ends[TARGET]], offset)

    def matrices(self) -> list[tuple[WeightSpace, Tensor]]:
        """Those of the graphs."""
        return self.graphs.matrices()

    def edges(self) -> list[Wires]:
        """All edges together."""
        return [self._wires]

    def at(self, end: int, x: Tensor) -> Values:
        """A gather."""
        return [x[self.index[end]]]

    def reduced(self, end: int, values: Values, how: Reduction = "sum") -> Tensor:
        """Scattered."""
        (value,), index = values, self.index[end]
        if how == "sum":
            return scatter(value, index, dim_size=len(self.numbers), reduce="sum")
        zeros = value.new_zeros(len(self.numbers), value.shape[1])
        return zeros.scatter_reduce(0, index[:, None].expand_as(value), value, how, include_self=False)

    def softmax(self, end: int, scores: Values) -> Values:
        """A scattered softmax."""
        return [softmax(scores[0], self.index[end], num_nodes=len(self.numbers))]

    def degree(self, end: int) -> Tensor:
        """Counted."""
        return torch.bincount(self.index[end], minlength=len(self.numbers)).to(self.numbers)[:, None]

    def mean(self, x: Tensor) -> Tensor:
        """A scattered mean."""
        return scatter(x, self.batch, dim_size=len(self.graphs.spaces), reduce="mean")

    def spread(self, u: Tensor) -> Tensor:
        """A gather."""
        return u[self.batch]

    def pooled(self, pool: PartPool, x: Tensor) -> Tensor:
        """All nodes together."""
        return pool.sparse(x, self.units, self.batch, len(self.graphs.spaces))

    def updated(self, update: FeatureUpdate, x: Tensor, values: Values) -> Tensor:
        """All weights, one graph after another."""
        return update.sparse(self.graphs, x, values[0], lambda space: wire_edges(space, self.parallel).weight)
