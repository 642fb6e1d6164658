"""Means of invariants over the hidden, the input and the output units."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.utils import scatter

from wsgraph.nn.canonical import ScaleInvariant
from wsgraph.nn.reset import reset_children
from wsgraph.nn.structure import structure
from wsgraph.nn.units import PARTS, Units, part_of
from wsgraph.space import WeightSpace


class PartPool(nn.Module):
    """For each part of a network, the mean over its units of ScaleInvariant(x).

    **Symmetry**: invariant to permutations and to every scale class.

    Args:
        channels: Width of the node features.

    Shapes:
        - **output**: ``[B, 3 * channels]``
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.nets = nn.ModuleList(ScaleInvariant(channels, channels) for _ in PARTS)

    def reset_parameters(self) -> None:
        """Draw new initial weights."""
        reset_children(self)

    def dense(self, space: WeightSpace, nodes: list[Tensor]) -> Tensor:
        """From the features ``[B, units, channels]`` of every layer."""
        form, pooled = structure(space), []
        for part, net in zip(PARTS, self.nets, strict=True):
            layers = [i for i in range(len(nodes)) if part_of(space, i) == part]
            found = [net(nodes[i], form.magnitude[i], form.sign[i]) for i in layers]
            pooled.append(
                torch.cat(found, dim=1).mean(1) if found else nodes[0].new_zeros(len(nodes[0]), self.channels)
            )
        return torch.cat(pooled, dim=1)

    def sparse(self, x: Tensor, units: Units, batch: Tensor, num_graphs: int) -> Tensor:
        """From the features ``[N, channels]`` of all nodes."""
        pooled = []
        for part, net in zip(PARTS, self.nets, strict=True):
            here = units.part == part
            found = net(x[here], units.magnitude[here, None], units.sign[here, None])
            pooled.append(scatter(found, batch[here], dim_size=num_graphs, reduce="mean"))
        return torch.cat(pooled, dim=1)
