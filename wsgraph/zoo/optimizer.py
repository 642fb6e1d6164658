"""One step of many optimisers: each network has its own kind of optimiser, and its own numbers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

OPTIMIZERS = ("sgd", "adam", "rmsprop")

_EPS = 1e-8


class StackedOptimizer:
    r"""SGD with momentum, Adam and RMSprop as one formula, on the rows of a matrix.

    With the gradient g, which the weight decay δ has joined, :math:`g = ∂\mathcal{L}/∂w + δ w`,

    .. math::
        m ← β_1 m + γ g, \qquad v ← β_2 v + (1 - β_2) g^2, \qquad
        w ← w - η \frac{m}{1 - α_1^t} \Big/ \Big( \frac{\sqrt v}{\sqrt{1 - α_2^t}} + ε \Big),

    where the denominator is 1 for SGD. The numbers of each network make it the optimiser of ``torch.optim``:

    ======= ======== ===== ===== ==== =====
    kind       β₁      γ    β₂    α₁   α₂
    ======= ======== ===== ===== ==== =====
    sgd     momentum   1     0     0    0
    adam      0.9     0.1  0.999  0.9 0.999
    rmsprop    0       1    0.99   0    0
    ======= ======== ===== ===== ==== =====

    Args:
        weights: ``[n, P]``, one network a row; changed in place by every step.
        kinds: The optimiser of each network, out of :data:`OPTIMIZERS`.
        lr: ``[n]``.
        weight_decay: ``[n]``.
        momentum: ``[n]``, for those of SGD.
    """

    def __init__(
        self,
        weights: Tensor,
        kinds: Sequence[str],
        lr: Sequence[float],
        weight_decay: Sequence[float],
        momentum: Sequence[float],
    ) -> None:
        rows = [_coefficients(kind, share) for kind, share in zip(kinds, momentum, strict=True)]
        numbers = torch.tensor([*zip(*rows, strict=True), tuple(lr), tuple(weight_decay)], dtype=torch.float64)
        self._powers = numbers[3:5, :, None].to(weights.device)  # α₁, α₂: [2, n, 1], in double precision
        columns = numbers[:, :, None].to(weights)  # [n, 1] each
        self._beta1, self._gamma, self._beta2, _, _, self._lr, self._decay = columns
        self._adaptive = torch.tensor([kind != "sgd" for kind in kinds], device=weights.device)[:, None]
        self._weights = weights
        self._first, self._second = torch.zeros_like(weights), torch.zeros_like(weights)

    def step(self, gradients: Tensor, number: int) -> None:
        """Change the first k networks.

        Args:
            gradients: ``[k, P]``; used up.
            number: Of the step, from 1.
        """
        k = len(gradients)
        weights, first, second = self._weights[:k], self._first[:k], self._second[:k]
        gradients.addcmul_(self._decay[:k], weights)
        first.mul_(self._beta1[:k]).addcmul_(self._gamma[:k], gradients)
        second.mul_(self._beta2[:k]).addcmul_(gradients.square_(), 1 - self._beta2[:k])
        rate, root = (1 - self._powers[:, :k] ** number).unbind()
        denominator = second.sqrt().mul_(root.rsqrt().to(weights)).add_(_EPS)
        denominator = torch.where(self._adaptive[:k], denominator, 1.0)
        weights.sub_((self._lr[:k] / rate.to(weights)) * first / denominator)


def _coefficients(kind: str, momentum: float) -> tuple[float, ...]:
    """β₁, γ, β₂, α₁ and α₂."""
    return {
        "sgd": (momentum, 1.0, 0.0, 0.0, 0.0),
        "adam": (0.9, 0.1, 0.999, 0.9, 0.999),
        "rmsprop": (0.0, 1.0, 0.99, 0.0, 0.0),
    }[kind]
