"""The neuron graph: a weight space and one flat vector. The rest are views, made on demand."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from os import PathLike
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from wsgraph.errors import SpaceError
from wsgraph.graph.topology import Topology, numbers_at, topology
from wsgraph.space import WeightSpace

if TYPE_CHECKING:
    import networkx


class NeuronGraph(Data):
    """One neural network as a graph: units are nodes, weights are edges.

    It stores ``weights`` ``[P]`` (all floating tensors of the network, block by block), ``integers`` ``[Q]`` (the
    others) and ``space``. What PyTorch Geometric code expects (``x``, ``edge_index``, ``edge_attr``, node and edge
    types) is computed from these. In a ``Batch`` of B graphs the weights of all follow one another, so that
    ``weight_matrix`` ``[B, P]`` is a view.

    Shapes:
        - ``x`` ``[N, 6]``: bias, gain, mean, variance, slope and another number of each unit (0 or 1 where it has none)
        - ``edge_index`` ``[2, E]``: source and target, in the direction of the forward pass, sorted by target
        - ``edge_attr`` ``[E, K]``: the weight, K kernel entries for convolutions (1 for skips)
        - ``edge_type``, ``edge_offset`` ``[E]``: index into ``wsgraph.graph.EDGE_KINDS``; kernel offset (large kernels
          are parallel edges)
        - ``node_type``, ``node_layer`` ``[N]``: operator and layer of each unit

    Example:
        >>> import torch, wsgraph
        >>> model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
        >>> graph = wsgraph.to_graph(model)
        >>> graph
        NeuronGraph(11 nodes, 24 edges, 33 weights)
        >>> graph.edge_index.shape, graph.edge_attr.shape
        (torch.Size([2, 24]), torch.Size([24, 1]))
    """

    def __init__(self, weights: Tensor | None = None, space: Any = None, integers: Tensor | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        if weights is None:  # PyG makes empty ones to fill
            return
        if not isinstance(space, WeightSpace) or weights.shape != (space.num_weights,):
            raise SpaceError(f"Expected a WeightSpace and its flat weights, got {space!r} and {list(weights.shape)}.")
        self.weights = weights
        self.integers = torch.empty(0, dtype=torch.long, device=weights.device) if integers is None else integers
        self.space = space
        self.num_nodes = space.num_nodes

    # ---------------------------------------------------------------- batches

    @property
    def spaces(self) -> list[WeightSpace]:
        """The weight space of every graph in the batch (of the one graph)."""
        return self.space if isinstance(self.space, list) else [self.space]

    @property
    def common_space(self) -> WeightSpace | None:
        """The weight space that all graphs share, or None in a mixed batch."""
        first = self.spaces[0]
        return first if all(s is first or s == first for s in self.spaces) else None

    @property
    def weight_matrix(self) -> Tensor:
        """``[B, P]``, a view of the weights.

        Raises:
            SpaceError: The graphs of the batch have different weight spaces.
        """
        space = self.common_space
        if space is None:
            raise SpaceError("The graphs of this batch have different weight spaces, so their weights are no matrix.")
        return self.weights.view(len(self.spaces), space.num_weights)

    # ------------------------------------------------------------------ views

    @property
    def x(self) -> Tensor:
        """Node features, one column for each of ``wsgraph.graph.NODE_FEATURES``."""
        return self._gather(lambda form: form.node_feature)

    @property
    def edge_attr(self) -> Tensor:
        """Edge features: the weights, kernel entries as columns."""
        return self._gather(lambda form: form.edges.weight)

    @property
    def edge_index(self) -> Tensor:
        """Sources and targets."""
        pieces, start = [], 0
        for space, count in self.runs():
            index = topology(space).edges.index
            starts = start + torch.arange(count) * space.num_nodes
            pieces.append((index[:, None] + starts[None, :, None]).reshape(2, -1))
            start += count * space.num_nodes
        return torch.cat(pieces, dim=1).to(self.weights.device)

    @property
    def edge_type(self) -> Tensor:
        """Kind of each edge."""
        return self._repeat(lambda form: form.edges.kind)

    @property
    def edge_offset(self) -> Tensor:
        """Kernel offset of each edge."""
        return self._repeat(lambda form: form.edges.offset)

    @property
    def node_type(self) -> Tensor:
        """Operator of each node."""
        return self._repeat(lambda form: form.node_type)

    @property
    def node_layer(self) -> Tensor:
        """Layer of each node."""
        return self._repeat(lambda form: form.node_layer)

    @property
    def num_edges(self) -> int:
        """Number of edges of all graphs."""
        return sum(count * topology(space).num_edges for space, count in self.runs())

    def runs(self) -> list[tuple[WeightSpace, int]]:
        """Weight spaces of consecutive graphs, and how many graphs share them."""
        return [(space, len(list(run))) for space, run in groupby(self.spaces)]

    def matrices(self) -> list[tuple[WeightSpace, Tensor]]:
        """For each run, its weight space and its weights ``[count, P]``, a view."""
        sizes = [count * space.num_weights for space, count in self.runs()]
        parts = self.weights.split(sizes)
        return [(space, part.view(count, -1)) for (space, count), part in zip(self.runs(), parts, strict=True)]

    def _repeat(self, table: Callable[[Topology], Tensor]) -> Tensor:
        pieces = [table(topology(space)).repeat(count) for space, count in self.runs()]
        return torch.cat(pieces).to(self.weights.device)

    def _gather(self, table: Callable[[Topology], Tensor]) -> Tensor:
        """Numbers of the weights at the positions that the topology names, graph after graph."""
        pieces = [numbers_at(m, table(topology(space))).flatten(0, 1) for space, m in self.matrices()]
        columns = max(values.shape[1] for values in pieces)
        return torch.cat([torch.nn.functional.pad(values, (0, columns - values.shape[1])) for values in pieces])

    # ---------------------------------------------------------------- to look

    def to_networkx(self) -> networkx.MultiDiGraph:
        """The graph for networkx: nodes with layer, operator and features, edges with weights.

        Example:
            >>> import torch, wsgraph
            >>> graph = wsgraph.to_graph(torch.nn.Linear(3, 2)).to_networkx()
            >>> graph.number_of_nodes(), graph.number_of_edges()
            (5, 6)
        """
        from wsgraph.graph.networkx_graph import to_networkx

        return to_networkx(self)

    def draw(self, path: str | PathLike[str], max_units: int = 32, level: str = "auto") -> None:
        """Draw the graph into a PNG or SVG file.

        Args:
            path: Name of the file; its ending gives the format.
            max_units: Where units are drawn, layers with more are thinned to this many, and the picture says so.
            level: ``"units"`` for a circle for each unit and a line for each weight, ``"layers"`` for a box for each
                layer, or ``"auto"``: units up to 32 layers and 4,000 units.
        """
        from wsgraph.graph.drawing import draw

        draw(self, path, max_units, level)

    def __repr__(self) -> str:
        if "weights" not in self._store:
            return f"{type(self).__name__}()"
        count = f"{len(self.spaces)} networks, " if isinstance(self, Batch) else ""
        sizes = f"{self.num_nodes} nodes, {self.num_edges} edges, {self.weights.numel()} weights"
        return f"{type(self).__name__}({count}{sizes})"


def checked_graph(graph: Any, owner: str) -> NeuronGraph:
    """Make sure that something is a neuron graph.

    Raises:
        SpaceError: It is not.
    """
    if not isinstance(graph, NeuronGraph):
        raise SpaceError(f"{owner} expects a NeuronGraph (see wsgraph.to_graph), got {type(graph).__name__}.")
    return graph


def checked_space(graph: Any, space: WeightSpace, owner: str) -> NeuronGraph:
    """Make sure that something is a neuron graph of this weight space.

    Raises:
        SpaceError: It is not.
    """
    found = checked_graph(graph, owner).common_space
    if found != space:
        raise SpaceError(f"{owner} was built for {space!r}, got a graph of {found or 'several spaces'!r}.")
    return graph
