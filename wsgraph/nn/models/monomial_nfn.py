"""MonomialNFN: linear maps between weights that the same scales and permutations move."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from wsgraph.nn.canonical import canonical
from wsgraph.nn.models.model import WeightSpaceModel
from wsgraph.nn.monomial import EntryAffine, MonomialLayout, MonomialLinear
from wsgraph.nn.readout import perceptron
from wsgraph.nn.reset import reset_children
from wsgraph.space import WeightSpace


class MonomialNFN(WeightSpaceModel):
    r"""Monomial matrix group networks, from `"Monomial Matrix Group Equivariant Neural Functional Networks"
    <https://arxiv.org/abs/2409.11697>`_, for every weight space.

    Weights are sorted by the monomial that moves them (:class:`~wsgraph.nn.MonomialLayout`). Between weights of one
    monomial every linear map of channels is equivariant, and a layer applies one for each; indices of fixed axes and
    of kernels are channels too. For a ReLU or tanh perceptron this is the layer of the paper, term by term. Between
    layers stands ReLU for positive scales and none, tanh for signs, and x |x| / ‖x‖ where both are free. The invariant
    map divides by norms where magnitudes are free, takes absolute values where signs are free, applies a learned
    affine map, averages over units, and ends in a perceptron.

    **Symmetry**: invariant (``out_channels=n``) or equivariant (``out_channels=None``) to permutations and to every
    scale class of the space, and to half turns before sines. Not covered: matrices on linear groups. It sees no
    coupling between blocks of different monomials: permuting or scaling the rows of one weight without the columns of
    the next goes unnoticed.

    Args:
        space: The weight space of the networks that it takes.
        hidden_channels: Channels of its features.
        num_layers: Number of equivariant layers.
        out_channels: Number of outputs for each network, or None for updated weights.

    Shapes:
        - **input**: neuron graphs of ``space``, B of them
        - **output**: ``[B, out_channels]``, or B neuron graphs

    Example:
        >>> import torch, wsgraph
        >>> from torch.nn import Linear, Sequential, ReLU
        >>> models = [Sequential(Linear(2, 8), ReLU(), Linear(8, 1)) for _ in range(4)]
        >>> space = wsgraph.trace(models[0])
        >>> graphs = wsgraph.to_graphs([m.state_dict() for m in models], space)
        >>> wsgraph.nn.MonomialNFN(space, 16, 2, out_channels=10)(graphs).shape
        torch.Size([4, 10])
    """

    def __init__(
        self, space: WeightSpace, hidden_channels: int = 16, num_layers: int = 3, out_channels: int | None = None
    ) -> None:
        super().__init__(space, hidden_channels, num_layers, out_channels)
        self.layout = MonomialLayout(space)
        widths = [1, *[hidden_channels] * num_layers]
        self.layers = nn.ModuleList(MonomialLinear(self.layout, a, b) for a, b in pairwise(widths))
        if out_channels is None:
            self.last = MonomialLinear(self.layout, hidden_channels, 1)
        else:
            sizes = [kind.channels * hidden_channels for kind in self.layout.kinds]
            self.affine = nn.ModuleList(EntryAffine(n) for n in sizes)
            self.readout = perceptron(sum(sizes), 16 * hidden_channels, 2, out_channels)

    def reset_parameters(self) -> None:
        """Draw new initial weights."""
        reset_children(self)

    def _features(self, weights: Tensor) -> list[Tensor]:
        features = self.layout.gather(weights)
        for layer in self.layers:
            features = [kind.activation(x) for kind, x in zip(self.layout.kinds, layer(features), strict=True)]
        return features

    def _invariant(self, weights: Tensor) -> Tensor:
        pooled = []
        for kind, x, affine in zip(self.layout.kinds, self._features(weights), self.affine, strict=True):
            x = affine(canonical(x, kind.magnitude, kind.sign))
            pooled.append(x.mean(tuple(range(1, x.dim() - 1))) if x.dim() > 2 else x)
        return self.readout(torch.cat(pooled, dim=1))

    def _updated_weights(self, weights: Tensor) -> Tensor:
        return weights + self.layout.scatter(self.last(self._features(weights)), weights)
