"""What a weight space's structure says of each node and edge of its neuron graphs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TypeVar

import torch
from torch import Tensor

from wsgraph.graph import NeuronGraph, links, topology
from wsgraph.nn.structure import is_norm, structure
from wsgraph.space import WeightSpace
from wsgraph.space.per_space import per_space

HIDDEN, INPUT, OUTPUT = PARTS = (0, 1, 2)
"""Parts that a unit can play."""


@dataclass(frozen=True, eq=False)
class Units:
    """Tables over the nodes.

    Attributes:
        magnitude: ``[N]``, whether the unit has a free magnitude.
        sign: ``[N]``, whether it has a free sign.
        part: ``[N]``, ``HIDDEN``, ``INPUT`` or ``OUTPUT``.
        index: ``[N]``, position in its layer.
        depth: ``[N]``, number of weights on the longest path from an input to its layer.
        norm: ``[N]``, whether a normalisation makes it.
        eps: ``[N]``, ε of a normalisation with a running variance, else 0.
    """

    magnitude: Tensor
    sign: Tensor
    part: Tensor
    index: Tensor
    depth: Tensor
    norm: Tensor
    eps: Tensor

    def to(self, device: torch.device) -> Units:
        """The tables on another device."""
        return Units(*(getattr(self, field.name).to(device) for field in fields(self)))


@dataclass(frozen=True, eq=False)
class EdgeFlows:
    """Tables over the edges.

    Attributes:
        flows: ``[E]``, whether the edge is one of a flow (see ``structure``).
        magnitude: ``[E]``, whether the reader must take off the source's magnitude.
        sign: ``[E]``, whether it must take off the source's sign.
    """

    flows: Tensor
    magnitude: Tensor
    sign: Tensor


Table = TypeVar("Table", Units, EdgeFlows)


@per_space
def unit_table(space: WeightSpace) -> Units:
    """The tables of one graph of a weight space."""
    form, layers = structure(space), range(len(space.layers))
    sizes = torch.tensor([space.size(i) for i in layers], dtype=torch.long)
    eps = [space.layers[i].eps if form.vectors[i].variance is not None else 0.0 for i in layers]
    per_layer = (
        form.magnitude,
        form.sign,
        [part_of(space, i) for i in layers],
        form.depth,
        [is_norm(space, i) for i in layers],
    )
    eps_of = torch.tensor(eps, dtype=torch.float64).repeat_interleave(sizes)
    magnitude, sign, part, depth, norm = (torch.tensor(v).repeat_interleave(sizes) for v in per_layer)
    index = torch.cat([torch.arange(n) for n in sizes.tolist()])
    return Units(magnitude, sign, part, index, depth, norm, eps_of)


@per_space
def edge_flows(space: WeightSpace) -> EdgeFlows:
    """The tables of the edges of one graph of a weight space."""
    found = {flow.link: flow for flows in structure(space).flows for flow in flows}
    rows = [(True, found[link].magnitude, found[link].sign) if link in found else (False,) * 3 for link in links(space)]
    table = torch.tensor(rows, dtype=torch.bool).reshape(-1, 3)
    return EdgeFlows(*table[topology(space).edges.link].unbind(1))


def batch_units(graphs: NeuronGraph) -> Units:
    """The tables of all graphs of a batch, one after another."""
    return _of_batch(graphs, unit_table)


def batch_flows(graphs: NeuronGraph) -> EdgeFlows:
    """The tables of the edges of all graphs of a batch, one after another."""
    return _of_batch(graphs, edge_flows)


def part_of(space: WeightSpace, layer: int) -> int:
    """The part that the units of a layer play: those of inputs and outputs stay in their places."""
    if not structure(space).fixed[layer]:
        return HIDDEN
    return INPUT if space.layers[layer].is_source else OUTPUT if space.layers[layer].output else HIDDEN


def _of_batch(graphs: NeuronGraph, table: Callable[[WeightSpace], Table]) -> Table:
    pieces = [(table(space), count) for space, count in graphs.runs()]
    kind, device = type(pieces[0][0]), graphs.weights.device
    names = [field.name for field in fields(kind)]
    return kind(*(torch.cat([getattr(t, name).repeat(count) for t, count in pieces]).to(device) for name in names))
