"""Networks with some of their weights, or of their units, at zero."""

from __future__ import annotations

import torch
from torch import Tensor

from wsgraph.errors import SpaceError
from wsgraph.graph.block_size import blocks_of
from wsgraph.space import WeightSpace
from wsgraph.space.draws import uniform
from wsgraph.transforms.weight_transform import WeightTransform


class DropWeights(WeightTransform):
    """Set random weights, or all that belongs to random units, to zero. The others are not rescaled.

    Weights are the entries of linear maps and convolutions, no biases or parameters of normalisations. A dropped unit
    loses the weights that enter and leave it, its bias, gain and shift, in all layers of its group (in all of a
    residual stream); only units that a symmetry may permute are dropped, so inputs and outputs stay.

    **Symmetry**: commutes in distribution with all permutations and scales, since zero stays zero and all entries
    (units) of a block (group) are alike. A half turn of a dropped sine unit gives it a bias, which nothing reads.

    Args:
        p: The probability that a weight, or a unit, is dropped.
        units: Whether to drop whole units.
        generator: Source of randomness; the global one if not given.

    Raises:
        SpaceError: ``p`` is no probability. When it is called: weights are computed from several tensors.

    Example:
        >>> import torch, wsgraph
        >>> graph = wsgraph.to_graph(torch.nn.Linear(3, 2))
        >>> dropped = DropWeights(1.0)(graph)
        >>> bool((dropped.edge_attr == 0).all()), torch.equal(dropped.x, graph.x)
        (True, True)
    """

    def __init__(self, p: float, units: bool = False, generator: torch.Generator | None = None) -> None:
        if not 0 <= p <= 1:
            raise SpaceError(f"p is a probability, from 0 to 1, got {p}.")
        self.p = p
        self.units = units
        self.generator = generator

    def _moved(self, space: WeightSpace, weights: Tensor) -> Tensor:
        computed = blocks_of(space, "part")
        if computed:
            tensor = space.blocks[computed[0]].tensor
            raise SpaceError(
                f"DropWeights cannot drop weights that are computed from several tensors, as from {tensor!r}."
            )
        moved = weights.clone()
        if self.units:
            self._drop_units(space, moved)
        else:
            for part in (space.slices[i] for i in blocks_of(space, "weight")):
                values = moved[:, part]
                values.masked_fill_(self._draw(*values.shape, like=weights), 0)
        return moved

    def _drop_units(self, space: WeightSpace, weights: Tensor) -> None:
        dropped = [
            None if g.fixed and g.across is None else self._draw(len(weights), g.size, like=weights)
            for g in space.groups
        ]
        for i in blocks_of(space, "weight", "bias", "gain", "shift"):
            values = space.block_view(weights, i)
            for dim, axis in enumerate(space.blocks[i].axes, 1):
                units = dropped[axis.group]
                if units is not None:
                    values.masked_fill_(units.reshape(len(units), *_at(dim, values.dim() - 1)), 0)

    def _draw(self, *shape: int, like: Tensor) -> Tensor:
        return (uniform(*shape, generator=self.generator) < self.p).to(like.device)


def _at(dim: int, rank: int) -> list[int]:
    """A shape of ones but for one axis of any size."""
    return [-1 if d == dim else 1 for d in range(1, rank + 1)]
