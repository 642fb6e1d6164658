"""Random elements of the symmetry group, one for each network."""

from __future__ import annotations

import torch
from torch import Tensor

from wsgraph.space import WeightSpace
from wsgraph.space.shifting import as_large_as
from wsgraph.transforms.weight_transform import WeightTransform


class RandomSymmetry(WeightTransform):
    """Move every network by a random symmetry of its own, which leaves its function unchanged.

    **Symmetry**: whatever is invariant to all symmetries of the space cannot tell the networks from those before.

    Args:
        permute: Whether to permute units.
        scale: Whether to draw signs and magnitudes.
        max_scale: Magnitudes are log-uniform in [1 / max_scale, max_scale].
        generator: Source of randomness; the global one if not given.
        shifts: Whether to add numbers where nothing notices: normal ones, of the size of the numbers that are there.
            Models of :mod:`wsgraph.nn` are not invariant to them, and have something to learn.

    Example:
        >>> import torch, wsgraph
        >>> graph = wsgraph.to_graph(torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)))
        >>> RandomSymmetry(generator=torch.Generator().manual_seed(0))(graph)
        NeuronGraph(11 nodes, 24 edges, 33 weights)
    """

    def __init__(
        self,
        permute: bool = True,
        scale: bool = True,
        max_scale: float = 10.0,
        generator: torch.Generator | None = None,
        shifts: bool = True,
    ) -> None:
        self.permute = permute
        self.scale = scale
        self.max_scale = max_scale
        self.generator = generator
        self.shifts = shifts

    def _moved(self, space: WeightSpace, weights: Tensor) -> Tensor:
        symmetry = space.random_symmetry(
            self.generator, self.permute, self.scale, self.max_scale, len(weights), shifts=self.shifts
        )
        return as_large_as(symmetry, weights).act(weights)
