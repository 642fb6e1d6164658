"""Noise in the weights, as large as they are."""

from __future__ import annotations

import torch
from torch import Tensor

from wsgraph.graph.block_size import block_rms, blocks_of, spread
from wsgraph.space import WeightSpace
from wsgraph.space.draws import normal
from wsgraph.transforms.weight_transform import WeightTransform, check_width


class WeightNoise(WeightTransform):
    r"""Gaussian noise relative to the root mean square of each block of each network.

    .. math:: w' = w + \text{std} \cdot \text{rms}(\text{block of } w) \cdot ε, \qquad ε \sim N(0, 1)

    Running variances are multiplied by exp(std · ε), so that they stay positive. Blocks of zeros (fresh biases) stay
    zero, and integers stay as they are.

    **Symmetry**: permutations and signs do not change the distribution of the noise. Magnitudes do, since they change
    the ratios inside a block, and so do half turns of sine units: where they are free, bring networks to a canonical
    form first.

    Args:
        std: Standard deviation of the noise, in units of the block's root mean square.
        generator: Source of randomness; the global one if not given.

    Raises:
        SpaceError: ``std`` is negative or not finite.

    Example:
        >>> import torch, wsgraph
        >>> graph = wsgraph.to_graph(torch.nn.Linear(3, 2))
        >>> WeightNoise(0.1, generator=torch.Generator().manual_seed(0))(graph)
        NeuronGraph(5 nodes, 6 edges, 8 weights)
    """

    def __init__(self, std: float, generator: torch.Generator | None = None) -> None:
        self.std = check_width("std", std, "a standard deviation")
        self.generator = generator

    def _moved(self, space: WeightSpace, weights: Tensor) -> Tensor:
        noise = (self.std * normal(*weights.shape, generator=self.generator)).to(weights)
        moved = weights + spread(space, block_rms(space, weights)).to(weights) * noise
        for part in (space.slices[i] for i in blocks_of(space, "variance")):
            moved[:, part] = weights[:, part] * noise[:, part].exp()
        return moved
