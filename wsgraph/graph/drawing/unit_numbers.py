"""The numbers of a picture: weights between the units that it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from wsgraph.graph.drawing.unit_layout import Array, Integers
from wsgraph.graph.links import Link, arranged

if TYPE_CHECKING:
    from wsgraph.graph.neuron_graph import NeuronGraph


class Numbers:
    """Reads weights and biases of shown units; ``finite`` says whether all that were read are finite."""

    def __init__(self, graph: NeuronGraph, shown: list[Integers]) -> None:
        self.space, self.weights, self.x = graph.spaces[0], graph.weights.detach(), graph.x.detach()
        self.shown = shown
        self.finite = True

    def bias(self, layer: int) -> Array | None:
        """Biases of the shown units of a layer, if it has any."""
        if not any(c.role in ("bias", "shift") for c in self.space.incoming[layer]):
            return None
        nodes = torch.from_numpy(self.space.node_offsets[layer] + self.shown[layer])
        return self._finite(self.x[nodes.to(self.x.device), 0])

    def matrix(self, link: Link) -> Array:
        """Weights between the shown units ``[targets, sources]``; the signed norm of those that share an edge.

        An operand gives 1 to the units that meet.
        """
        piece, target = np.divmod(self.shown[link.target], link.targets)
        source_piece, source = np.divmod(self.shown[link.source], link.sources)
        meet = piece[:, None] == source_piece[None, :]
        if link.block is None:
            return meet.astype(np.float64)
        values = arranged(self.space, link, self.space.block_view(self.weights, link.block))
        rows, lines, columns = (torch.from_numpy(i).to(values.device) for i in (piece, target, source))
        numbers = self._finite(values[rows[:, None], lines[:, None], columns[None, :]])
        norms = np.sqrt((numbers**2).sum(-1)) * np.where(numbers.sum(-1) < 0, -1.0, 1.0)
        return np.where(meet, norms, 0.0)

    def _finite(self, values: Tensor) -> Array:
        """The numbers, with 0 for those that are not finite."""
        numbers = values.to("cpu", torch.float64).numpy()
        self.finite &= bool(np.isfinite(numbers).all())
        return np.where(np.isfinite(numbers), numbers, 0.0)
