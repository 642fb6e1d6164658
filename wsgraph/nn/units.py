"""What a weight space's structure says of each node and edge of its neuron graphs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

import torch
from torch import Tensor

from wsgraph.graph import NeuronGraph, topology
from wsgraph.graph.topology import WEIGHT_EDGE
from wsgraph.nn.structure import is_norm, structure
from wsgraph.space import WeightSpace

HIDDEN, INPUT, OUTPUT = PARTS = (0, 1, 2)
"""Parts that a unit can play."""


@dataclass(frozen=True, eq=False)
class Units:
    """Tables over the nodes, and one over the edges.

    Attributes:
        magnitude: ``[N]``, whether the unit has a free magnitude.
        sign: ``[N]``, whether it has a free sign.
        part: ``[N]``, ``HIDDEN``, ``INPUT`` or ``OUTPUT``.
        index: ``[N]``, position in its layer.
        depth: ``[N]``, number of weights on the longest path from an input to its layer.
        norm: ``[N]``, whether a normalisation makes it.
        eps: ``[N]``, ε of a normalisation with a running variance, else 0.
        flows: ``[E]``, whether the edge carries values that scale as its source (see ``structure``).
    """

    magnitude: Tensor
    sign: Tensor
    part: Tensor
    index: Tensor
    depth: Tensor
    norm: Tensor
    eps: Tensor
    flows: Tensor


@lru_cache(maxsize=64)
def unit_table(space: WeightSpace) -> Units:
    """The tables of one graph of a weight space."""
    form, layers = structure(space), range(len(space.layers))
    sizes = torch.tensor([space.size(i) for i in layers])
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
    return Units(magnitude, sign, part, index, depth, norm, eps_of, _flowing_edges(space))


def batch_units(graphs: NeuronGraph) -> Units:
    """The tables of all graphs of a batch, one after another."""
    pieces = [(unit_table(space), count) for space, count in graphs.runs()]
    names = [f.name for f in fields(Units)]
    device = graphs.weights.device
    return Units(*(torch.cat([getattr(t, n).repeat(count) for t, count in pieces]).to(device) for n in names))


def part_of(space: WeightSpace, layer: int) -> int:
    """The part that the units of a layer play."""
    return INPUT if space.layers[layer].is_source else OUTPUT if space.layers[layer].output else HIDDEN


def _flowing_edges(space: WeightSpace) -> Tensor:
    edges = topology(space)
    table = torch.zeros(len(space.layers), len(space.layers), dtype=torch.bool)
    for flows in structure(space).flows:
        for flow in flows:
            if flow.block is None:
                table[flow.source, flow.target] = True
    source, target = edges.node_layer[edges.edge_index]
    return (edges.edge_type == WEIGHT_EDGE) | table[source, target]
