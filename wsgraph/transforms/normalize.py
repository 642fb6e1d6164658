"""Weights in units of their size in a data set."""

from __future__ import annotations

import torch
from torch import Tensor

from wsgraph.errors import SpaceError
from wsgraph.graph import NeuronGraph, checked_graph
from wsgraph.space import WeightSpace
from wsgraph.transforms.weight_transform import WeightTransform


class Normalize(WeightTransform):
    r"""Divide every block by its root mean square over a data set.

    One number a block commutes with every permutation and scale; a number (or a mean) for each entry would not.
    Running variances stay as they are, since their ε has no place in a quotient. The result is a set of features: it
    no longer computes what the networks compute.

    Args:
        graphs: The data set, of one weight space: the training part.

    Example:
        >>> import torch, wsgraph
        >>> model = torch.nn.Linear(3, 2)
        >>> graph = wsgraph.to_graph(model)
        >>> bool(Normalize(graph)(graph).weights[:6].square().mean().isclose(torch.tensor(1.0)))
        True
    """

    def __init__(self, graphs: NeuronGraph) -> None:
        matrix = checked_graph(graphs, type(self).__name__).weight_matrix
        self.space = graphs.spaces[0]
        sizes = [matrix[:, part].square().mean().sqrt() for part in self.space.slices]
        sizes = [
            torch.ones_like(size) if block.shift or not size > 0 else size
            for block, size in zip(self.space.blocks, sizes, strict=True)
        ]
        self.sizes = torch.stack(sizes) if sizes else matrix.new_ones(0)

    def _moved(self, space: WeightSpace, weights: Tensor) -> Tensor:
        if space != self.space:
            raise SpaceError(f"Normalize was fitted to {self.space!r}, got a graph of {space!r}.")
        counts = torch.tensor([block.numel for block in space.blocks], device=weights.device)
        return weights / self.sizes.to(weights).repeat_interleave(counts)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.space!r})"
