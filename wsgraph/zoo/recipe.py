"""How one batch of SIRENs is fitted: Adam on every network at once, with a cosine learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from wsgraph.zoo.batch import SirenBatch
from wsgraph.zoo.images import psnr


@dataclass(frozen=True, eq=False)
class Recipe:
    r"""Minimise the mean squared error of every network, independently, by full-batch Adam.

    Adam acts on each weight alone, so one optimiser over all weights is one optimiser per network. At step t of T
    the learning rate is :math:`η_t = \frac{η_0}{2} (1 + \cos(π t / T))`.

    Attributes:
        points: ``[p, in_features]``, on the device to fit on.
        omega: The frequency of the sine layers.
        steps: T.
        lr: η₀.
    """

    points: Tensor
    omega: float
    steps: int
    lr: float

    def fit(self, initial: Mapping[str, Tensor], targets: Tensor, advance: Callable[[int], None]) -> dict[str, Tensor]:
        """Fit n networks.

        Args:
            initial: Stacked tensors ``[n, ...]``, on any device; not changed.
            targets: ``[n, C, p]``, on any device; not changed.
            advance: Called after each step with the number of networks.

        Returns:
            The fitted states, and ``psnr`` ``[n]`` in dB, on the CPU.
        """
        targets = targets.to(self.points.device)
        batch = SirenBatch(initial, self.points, self.omega)
        batch.weights.grad = batch.gradients
        optimizer = torch.optim.Adam([batch.weights], fused=True)
        for step in range(self.steps):
            optimizer.param_groups[0]["lr"] = self.lr * (1 + math.cos(math.pi * step / self.steps)) / 2
            batch.backward(batch.forward().sub_(targets).mul_(2 / targets[0].numel()))
            optimizer.step()
            advance(len(targets))
        fitted = {**batch.states(), "psnr": psnr(batch.forward(), targets)}
        return {name: stack.cpu().clone() for name, stack in fitted.items()}
