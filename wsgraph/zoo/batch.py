"""Many SIRENs side by side, evaluated and differentiated together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

CACHE_BYTES = 4 * 2**20  # of buffers at a time on a CPU core: what its caches hold
DEVICE_BYTES = 2**30  # of buffers at a time on an accelerator: enough work for each call


class SirenBatch:
    r"""n SIRENs of one architecture on p shared points, with the gradients written out.

    Forward, for network i (index left out) and :math:`H_0` the points:

    .. math:: Z_l = ω (W_l H_{l-1} + b_l), \qquad H_l = \sin Z_l, \qquad F = W_L H_{L-1} + b_L

    Backward, from :math:`D_L = ∂\mathcal{L} / ∂F`:

    .. math::
        ∂W_l = D_l H_{l-1}^\top, \qquad ∂b_l = D_l 1, \qquad D_{l-1} = ω \cos(Z_{l-1}) ⊙ W_l^\top D_l

    Every matrix product is one call for all networks, and all intermediate values live in buffers that are made once.
    On small networks that takes half the time of autograd.

    Args:
        states: Stacked tensors ``[n, ...]`` under the names of :meth:`Siren.state_dict`; kept, not copied. The
            backward pass fills their ``grad``.
        points: ``[p, in_features]``.
        omega: The frequency ω.
    """

    def __init__(self, states: Mapping[str, Tensor], points: Tensor, omega: float) -> None:
        depth = len(states) // 2
        self.weights = [states[f"layers.{layer}.weight"] for layer in range(depth)]  # [n, out, in]
        self.biases = [states[f"layers.{layer}.bias"] for layer in range(depth)]  # [n, out]
        self.omega = omega
        count, shared = len(self.weights[0]), points.mT.contiguous()
        buffers = [points.new_empty(count, weight.shape[1], len(points)) for weight in self.weights]
        self._angles = buffers[:-1]  # Z_l: [n, width, p]
        self._values = [shared.expand(count, -1, -1), *map(torch.empty_like, buffers[:-1])]  # H_l: [n, width, p]
        self._output = buffers[-1]  # F: [n, out, p]

    @property
    def parameters(self) -> list[Tensor]:
        """The stacked tensors."""
        return [*self.weights, *self.biases]

    def forward(self) -> Tensor:
        """The values ``[n, out, p]`` of all networks at all points, in a buffer that the next call overwrites."""
        for layer, angle in enumerate(self._angles):
            self._affine(layer, self.omega, out=angle)
            torch.sin(angle, out=self._values[layer + 1])
        return self._affine(-1, 1.0, out=self._output)

    def backward(self, slope: Tensor) -> None:
        """Fill the ``grad`` of every parameter. Uses up the buffers: call :meth:`forward` first, each time.

        Args:
            slope: Derivatives ``[n, out, p]`` of the sum of all losses by the output.
        """
        self._fill_gradients(-1, slope)
        for layer in reversed(range(len(self._angles))):
            back = self._values[layer + 1].baddbmm_(self.weights[layer + 1].mT, slope, beta=0, alpha=self.omega)
            slope = back.mul_(self._angles[layer].cos_())
            self._fill_gradients(layer, slope)

    def _affine(self, layer: int, scale: float, out: Tensor) -> Tensor:
        weight, bias = self.weights[layer], self.biases[layer].unsqueeze(-1)
        return torch.baddbmm(bias, weight, self._values[layer], beta=scale, alpha=scale, out=out)

    def _fill_gradients(self, layer: int, slope: Tensor) -> None:
        weight, bias = self.weights[layer], self.biases[layer]
        if weight.grad is None:
            weight.grad, bias.grad = torch.empty_like(weight), torch.empty_like(bias)
        torch.bmm(slope, self._values[layer].mT, out=weight.grad)
        torch.sum(slope, -1, out=bias.grad)


def networks_at_once(sizes: Sequence[int], points: Tensor) -> int:
    """How many SIRENs of these widths to hold in one batch on ``points``: fast, and bounded in memory."""
    budget = CACHE_BYTES if points.device.type == "cpu" else DEVICE_BYTES
    per_network = 2 * sum(sizes[1:-1]) * len(points) * points.element_size()  # angles and their sines
    return max(1, budget // per_network)
