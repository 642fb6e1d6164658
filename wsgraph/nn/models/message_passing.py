"""What the graph families share that know permutations only."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn

from wsgraph.errors import WSGraphError
from wsgraph.graph import NeuronGraph
from wsgraph.graph.block_size import spread
from wsgraph.nn.global_node import GlobalNode
from wsgraph.nn.models.graph_family import GraphFamily
from wsgraph.nn.probes import Probes
from wsgraph.nn.readout import FeatureUpdate, PartPool, perceptron
from wsgraph.nn.readout.part_pool import Pool
from wsgraph.nn.reset import reset_children
from wsgraph.nn.typed_encoder import TypedEncoder
from wsgraph.nn.updated import updated
from wsgraph.nn.wiring import DenseWiring, SparseWiring, Wiring
from wsgraph.nn.wiring.wiring import Values
from wsgraph.space import WeightSpace


class MessagePassingModel(GraphFamily):
    """Typed features of nodes and edges, layers of messages, and a readout or an update.

    **Symmetry**: permutations, and half turns before sines.

    Args:
        space: The weight space of the networks that it takes.
        hidden_channels: Width of node and edge features.
        num_layers: Number of message-passing layers.
        out_channels: Number of outputs for each network, or None for updated weights.
        probes: Number of learned inputs whose answers are features of the nodes.
        activations: Whether nodes know their activation.
        global_node: Whether a node is joined to all others.
        pool: How nodes become outputs: ``"mean"``, ``"sum"`` or ``"attention"``, input and output nodes apart.
        conv: Makes a layer; it is told whether edges must be updated.
    """

    symmetries: ClassVar[frozenset[str]] = frozenset({"permutations"})
    parallel: ClassVar[bool] = False
    """Whether every kernel position is an edge of its own; if not, those of large kernels are."""

    def __init__(
        self,
        space: WeightSpace,
        hidden_channels: int,
        num_layers: int,
        out_channels: int | None,
        *,
        probes: int,
        activations: bool,
        global_node: bool,
        pool: Pool,
        conv: Callable[[bool], nn.Module],
    ) -> None:
        super().__init__(space, hidden_channels, num_layers, out_channels)
        if probes < 0:
            raise WSGraphError(f"probes must be at least 0, got {probes}.")
        channels, last = hidden_channels, num_layers - 1
        self.encoder = TypedEncoder(space, channels, self.parallel, activations)
        self.probes = Probes(space, probes, channels) if probes else None
        self.convs = nn.ModuleList(conv(out_channels is None or i < last) for i in range(num_layers))
        self.global_nodes = nn.ModuleList(GlobalNode(channels) for _ in range(num_layers * global_node))
        if out_channels is None:
            self.update = FeatureUpdate(channels, self.encoder.sizes.kernel_entries_in_an_edge, scales=False)
        else:
            self.pool = PartPool(channels, pool, scales=False)
            self.readout = perceptron((3 + global_node) * channels, channels, 1, out_channels)

    def reset_parameters(self) -> None:
        """Draw new initial weights."""
        reset_children(self)

    def _sparse_answer(self, graphs: NeuronGraph) -> Tensor | NeuronGraph:
        wiring = SparseWiring(graphs, self.parallel)
        return self._outputs(wiring) if self.out_channels is not None else updated(graphs, self._changed(wiring))

    def _invariant(self, weights: Tensor) -> Tensor:
        return self._outputs(DenseWiring(self.space, weights, self.parallel))

    def _updated_weights(self, weights: Tensor) -> Tensor:
        return self._changed(DenseWiring(self.space, weights, self.parallel))

    def _outputs(self, wiring: Wiring) -> Tensor:
        x, _, u = self._features(wiring)
        return self.readout(torch.cat([wiring.pooled(self.pool, x), *u], dim=1))

    def _changed(self, wiring: Wiring) -> Tensor:
        x, values, _ = self._features(wiring)
        return wiring.updated(self.update, x, values)

    def _features(self, wiring: Wiring) -> tuple[Tensor, Values, list[Tensor]]:
        """Final features of nodes and edges, and of the global node if there is one."""
        x, values = self.encoder(wiring)
        if self.probes is not None:
            found = [self.probes(space, self._true(space, matrix)) for space, matrix in wiring.matrices()]
            x = x + torch.cat([f.flatten(0, 1) for f in found]).reshape(x.shape)
        u = [torch.zeros_like(wiring.mean(x))] if self.global_nodes else []
        for i, conv in enumerate(self.convs):
            if u:
                u[0], x = self.global_nodes[i](wiring, u[0], x)
            x, values = conv(wiring, x, values)
        return x, values, u

    def _true(self, space: WeightSpace, weights: Tensor) -> Tensor:
        """The weights of the networks themselves, with the sizes of their blocks."""
        return weights * spread(space, self.block_sizes).to(weights) if self._normalizes else weights
