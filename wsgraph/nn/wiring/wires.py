"""Links of a weight space along which messages run, as integers."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from wsgraph.graph import links, topology
from wsgraph.graph.links import Link
from wsgraph.graph.topology import Edges
from wsgraph.nn.structure import is_wire
from wsgraph.nn.units import INPUT, OUTPUT, unit_table
from wsgraph.space import WeightSpace
from wsgraph.space.per_space import per_space

SOURCE, TARGET = ENDS = (0, 1)
"""The ends of an edge, as the rows of ``edge_index``."""


class Sizes(NamedTuple):
    """How many of each thing a model has embeddings for."""

    inputs: int
    outputs: int
    kernel_offsets: int
    kernel_entries_in_an_edge: int


@per_space
def wires(space: WeightSpace) -> tuple[Link, ...]:
    """The links whose numbers move with their units, and with nothing else."""
    return tuple(link for link in links(space) if is_wire(space, link))


def positions_along(link: Link, parallel: bool) -> int:
    """Number of parallel edges between two units."""
    return link.kernel if parallel or link.is_parallel else 1


@per_space
def sizes_of(space: WeightSpace, parallel: bool) -> Sizes:
    """The sizes of a weight space.

    Args:
        space: The weight space.
        parallel: Whether every kernel position is an edge of its own; if not, those of large kernels are.
    """
    units, found = unit_table(space), wires(space)
    places = (units.index[units.part == part] for part in (INPUT, OUTPUT))
    inputs, outputs = (int(place.max()) + 1 if len(place) else 1 for place in places)
    offsets = max((positions_along(link, parallel) for link in found), default=1)
    return Sizes(inputs, outputs, offsets, 1 if parallel else max((link.columns for link in found), default=1))


@per_space
def degrees(space: WeightSpace, parallel: bool) -> Tensor:
    """``[2, layers]``, how many edges leave each unit of a layer, and how many enter it."""
    counts = torch.zeros(2, len(space.layers), dtype=torch.long)
    for link in wires(space):
        counts[SOURCE, link.source] += link.targets * positions_along(link, parallel)
        counts[TARGET, link.target] += link.sources * positions_along(link, parallel)
    return counts


@per_space
def wire_edges(space: WeightSpace, parallel: bool) -> Edges:
    """The edges of one graph that belong to wires, sorted by target."""
    edges = topology(space).edges
    chosen = set(wires(space))
    kept = torch.tensor([link in chosen for link in links(space)], dtype=torch.bool)[edges.link]
    if parallel:
        rows, columns = ((edges.weight != space.num_weights) & kept[:, None]).nonzero(as_tuple=True)
        weight, offset = edges.weight[rows, columns][:, None], edges.offset[rows] + columns
    else:
        rows = kept.nonzero()[:, 0]
        weight, offset = edges.weight[rows], edges.offset[rows]
    return Edges(edges.index[:, rows], weight, edges.kind[rows], offset, edges.link[rows])
