"""Layers that multiply two others unit by unit, where no number of the network carries the multipliers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wsgraph.graph import NeuronGraph
from wsgraph.graph.links import common_pieces
from wsgraph.nn.powers import powers
from wsgraph.space import WeightSpace
from wsgraph.space.per_space import per_space


@dataclass(frozen=True)
class Product:
    """A layer whose values are products of two others, so that its multiplier is the product of theirs.

    Attributes:
        target: Index of the layer.
        first: Index of one factor.
        second: Index of the other.
    """

    target: int
    first: int
    second: int

    def reversed(self) -> tuple[Product, Product]:
        """The same with each of the factors as the target: 1 / λ_t times λ_b is 1 / λ_a."""
        return Product(self.first, self.target, self.second), Product(self.second, self.target, self.first)


@per_space
def products(space: WeightSpace, backward: bool = False) -> tuple[Product, ...]:
    """All products of two layers whose units meet as units do with larger units that they are parts of.

    Backward, the same with each of the factors as the target.
    """
    if backward:
        return tuple(reverse for product in products(space) for reverse in product.reversed())
    found = []
    for target, layer in enumerate(space.layers):
        operands = [c.source for c in space.incoming[target] if c.role == "operand"]
        multiplies = layer.operator == "product" or (layer.pointwise and layer.pointwise.op.startswith("mul"))
        if not multiplies or len(operands) != 2:
            continue
        first, second = operands
        if first is None or second is None:
            continue
        scales = [(space.layers[i].scale, 1.0) for i in (first, second)]
        if powers(space, *scales) == powers(space, (layer.scale, 1.0)) and _meet(space, target, first, second):
            found.append(Product(target, first, second))
    return tuple(found)


def _meet(space: WeightSpace, *layers: int) -> bool:
    """Whether the units of layers lie in each other, those of the largest in those of all others."""
    parts = max((space.layers[i].group for i in layers), key=lambda g: space.groups[g].size)
    groups = (space.layers[i].group for i in layers)
    return all(common_pieces(space, g, parts) == space.groups[g].size > 0 for g in groups)


def dense_product(space: WeightSpace, product: Product, first: Tensor, second: Tensor) -> Tensor:
    """Products ``[B, units, C]`` of the values of two layers, for the target: means over the parts of its units."""
    size = space.size(product.target)
    count = max(size, first.shape[1], second.shape[1])
    both = [x.repeat_interleave(count // x.shape[1], dim=1) if x.shape[1] < count else x for x in (first, second)]
    values = both[0] * both[1]
    return values if size == count else values.unflatten(1, (size, -1)).mean(2)


@per_space
def product_table(space: WeightSpace, backward: bool = False) -> Tensor:
    """Nodes of all products, ``[4, T]``: targets, first and second factors, and the number of products of a target."""
    columns = [torch.empty(4, 0, dtype=torch.long)]
    for product in products(space, backward):
        layers = (product.target, product.first, product.second)
        count = max(space.size(i) for i in layers)
        rows = [
            space.node_offsets[i] + torch.arange(space.size(i)).repeat_interleave(count // space.size(i))
            for i in layers
        ]
        columns.append(torch.stack([*rows, torch.full((count,), count // space.size(product.target))]))
    return torch.cat(columns, dim=1)


def batch_products(graphs: NeuronGraph, backward: bool = False) -> Tensor:
    """The tables of all graphs of a batch, with the numbers of its nodes."""
    pieces, start = [], 0
    for space, count in graphs.runs():
        table = product_table(space, backward)
        starts = start + torch.arange(count) * space.num_nodes
        moved = table[:, None] + starts[None, :, None] * torch.tensor([1, 1, 1, 0])[:, None, None]
        pieces.append(moved.flatten(1))
        start += count * space.num_nodes
    return torch.cat(pieces, dim=1).to(graphs.weights.device)
