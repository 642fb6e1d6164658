"""What a layer of messages may ask of the graphs that it runs on, whichever way their edges are laid."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from wsgraph.graph import NODE_FEATURES, topology
from wsgraph.graph.topology import numbers_at
from wsgraph.nn.readout import FeatureUpdate, PartPool
from wsgraph.nn.units import Units, unit_table
from wsgraph.nn.wiring.wires import Sizes
from wsgraph.space import WeightSpace

Values = list[Tensor]
"""Values of all edges: of every link ``[B, pieces, targets, sources, kernel, C]``, or of all together ``[E, C]``."""


Reduction = Literal["sum", "amax", "amin"]


@dataclass(frozen=True, eq=False)
class Wires:
    """Some of the edges.

    Attributes:
        numbers: ``[..., columns]``, their weights; a normalisation has γ / √(v + ε), any other operand 1.
        kind: Index into ``wsgraph.graph.EDGE_KINDS``, broadcastable to the edges.
        depth: Depth of the target.
        offset: Kernel offset.
    """

    numbers: Tensor
    kind: Tensor
    depth: Tensor
    offset: Tensor


class Wiring(ABC):
    """Nodes and edges of some graphs. Values of nodes are ``[..., N, C]``, those of edges a list (:data:`Values`).

    Attributes:
        units: Tables over the nodes.
        layer: ``[N]``, the layer of every node among ``layers``.
        layers: Weight space and index of all layers.
        numbers: ``[..., N, 3]``, bias, slope and another number of the nodes; the bias of a normalisation has its mean
            folded in.
        sizes: For every weight space, what a model must have embeddings for.
    """

    units: Units
    layer: Tensor
    layers: list[tuple[WeightSpace, int]]
    numbers: Tensor
    sizes: list[Sizes]

    @abstractmethod
    def matrices(self) -> list[tuple[WeightSpace, Tensor]]:
        """For each run of graphs of one weight space, that space and the weights ``[count, P]``."""

    @abstractmethod
    def edges(self) -> list[Wires]:
        """Numbers and tables of all edges, in the order of :data:`Values`."""

    @abstractmethod
    def at(self, end: int, x: Tensor) -> Values:
        """Values of the nodes at one end of the edges, laid beside the edges."""

    @abstractmethod
    def reduced(self, end: int, values: Values, how: Reduction = "sum") -> Tensor:
        """For every node, the sum, maximum or minimum over the edges that it is this end of; 0 where there are none."""

    @abstractmethod
    def softmax(self, end: int, scores: Values) -> Values:
        """Exponentials of the scores, divided by their sum over the edges that a node is this end of."""

    @abstractmethod
    def degree(self, end: int) -> Tensor:
        """``[N, 1]``, the number of edges that a node is this end of, in the type of the numbers."""

    @abstractmethod
    def mean(self, x: Tensor) -> Tensor:
        """Means ``[B, C]`` over the nodes of each graph."""

    @abstractmethod
    def spread(self, u: Tensor) -> Tensor:
        """Values ``[B, C]`` of the graphs, for each of their nodes."""

    @abstractmethod
    def pooled(self, pool: PartPool, x: Tensor) -> Tensor:
        """What a readout makes of the nodes."""

    @abstractmethod
    def updated(self, update: FeatureUpdate, x: Tensor, values: Values) -> Tensor:
        """New weights, from final values of nodes and edges."""


def node_numbers(space: WeightSpace, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Bias, slope and another number ``[B, N, 3]`` of every node, and its gain γ / √(v + ε) ``[B, N]``."""
    found = numbers_at(weights, topology(space).node_feature).unbind(-1)
    bias, gain, mean, variance, slope, part = (found[NODE_FEATURES.index(name)] for name in NODE_FEATURES)
    units = unit_table(space)
    diagonal = gain * (variance + units.eps.to(variance)).clamp_min(1e-30).rsqrt()
    numbers = torch.stack([bias - diagonal * mean, slope, part], dim=-1)
    return numbers, torch.where(units.norm.to(weights.device), diagonal, 1.0)
