"""One vector for the hidden, one for the input and one for the output units."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch_geometric.utils import scatter, softmax

from wsgraph.errors import WSGraphError
from wsgraph.nn.canonical import ScaleInvariant
from wsgraph.nn.reset import reset_children
from wsgraph.nn.structure import structure
from wsgraph.nn.units import PARTS, Units, part_of
from wsgraph.space import WeightSpace

Pool = Literal["mean", "sum", "attention"]
"""How many units become one vector."""


class PartPool(nn.Module):
    r"""For each part of a network, the mean, the sum or a weighted mean over its units of z = ScaleInvariant(x).

    The weights of the third are :math:`α_i = \exp(a^T z_i) / \sum_j \exp(a^T z_j)`. Units of the inputs, of the outputs
    and all others have their own parameters and their own vector; a part without units has zeros.

    **Symmetry**: invariant to permutations and to every scale class, or to permutations alone.

    Args:
        channels: Width of the node features.
        pool: ``"mean"``, ``"sum"`` or ``"attention"``.
        scales: Whether the features are multiplied as their units are; if not, z = φ(Γ x).

    Shapes:
        - **output**: ``[B, 3 * channels]``

    Raises:
        WSGraphError: There is no such way to pool.
    """

    def __init__(self, channels: int, pool: Pool = "mean", scales: bool = True) -> None:
        super().__init__()
        if pool not in get_args(Pool):
            raise WSGraphError(f"pool must be one of {', '.join(get_args(Pool))}, got {pool!r}.")
        self.channels = channels
        self.pool = pool
        self.scales = scales
        self.nets = nn.ModuleList(ScaleInvariant(channels, channels) for _ in PARTS)
        if pool == "attention":
            self.scores = nn.ModuleList(nn.Linear(channels, 1, bias=False) for _ in PARTS)

    def reset_parameters(self) -> None:
        """Draw new initial weights."""
        reset_children(self)

    def dense(self, space: WeightSpace, nodes: list[Tensor]) -> Tensor:
        """From the features ``[B, units, channels]`` of every layer."""
        form, pooled = structure(space), []
        for part, net in zip(PARTS, self.nets, strict=True):
            layers = [i for i in range(len(nodes)) if part_of(space, i) == part]
            flags = [(form.magnitude[i], form.sign[i]) if self.scales else (False, False) for i in layers]
            found = [net(nodes[i], *f) for i, f in zip(layers, flags, strict=True)]
            found = found or [nodes[0].new_zeros(len(nodes[0]), 0, self.channels)]
            pooled.append(self._pooled(part, torch.cat(found, dim=1)))
        return torch.cat(pooled, dim=1)

    def sparse(self, x: Tensor, units: Units, batch: Tensor, num_graphs: int) -> Tensor:
        """From the features ``[N, channels]`` of all nodes."""
        pooled = []
        for part, net in zip(PARTS, self.nets, strict=True):
            here = units.part == part
            flags = (units.magnitude[here, None], units.sign[here, None]) if self.scales else (False, False)
            found, reduce = net(x[here], *flags), "mean" if self.pool == "mean" else "sum"
            if self.pool == "attention":
                found = found * softmax(self.scores[part](found), batch[here], num_nodes=num_graphs)
            pooled.append(scatter(found, batch[here], dim_size=num_graphs, reduce=reduce))
        return torch.cat(pooled, dim=1)

    def _pooled(self, part: int, values: Tensor) -> Tensor:
        """From the invariants ``[B, units, channels]`` of a part."""
        if self.pool == "mean" and values.shape[1]:
            return values.mean(1)
        if self.pool == "attention":
            values = values * self.scores[part](values).softmax(1)
        return values.sum(1)

    def extra_repr(self) -> str:
        """Its sizes."""
        return f"{self.channels}, pool={self.pool!r}"
