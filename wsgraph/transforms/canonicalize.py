"""Networks in canonical form: symmetries taken out of the data, in place of being built into a model."""

from __future__ import annotations

from torch import Tensor

from wsgraph.space import WeightSpace
from wsgraph.space.canonical import canonical_weights
from wsgraph.transforms.weight_transform import WeightTransform


class Canonicalize(WeightTransform):
    """Bring every network into canonical form, the same for all networks that differ by a symmetry.

    The function of each network stays as it is: :func:`wsgraph.space.canonical.canonical_symmetry` is applied.

    **Symmetry**: invariant to permutations, signs, positive scales, half turns, linear groups and shifts, up to
    rounding; that function says which networks are not.

    Example:
        >>> import torch, wsgraph
        >>> from wsgraph.transforms import RandomSymmetry
        >>> model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
        >>> graph = wsgraph.to_graph(model.double())
        >>> moved = RandomSymmetry(generator=torch.Generator().manual_seed(0))(graph)
        >>> torch.allclose(Canonicalize()(moved).weights, Canonicalize()(graph).weights)
        True
    """

    def _moved(self, space: WeightSpace, weights: Tensor) -> Tensor:
        return canonical_weights(space, weights)
