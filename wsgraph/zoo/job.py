"""All that is to be fitted in one call, and from where."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wsgraph.zoo.batch import networks_at_once
from wsgraph.zoo.checkpoint import digest
from wsgraph.zoo.fitted import FittedINRs
from wsgraph.zoo.recipe import Recipe
from wsgraph.zoo.states import state_sizes


@dataclass(frozen=True, eq=False)
class Job:
    """n networks, each with its own initial weights and its signal.

    Attributes:
        recipe: How to fit them.
        signals: ``[N, C, ...]``: images, waveforms or distances, in the order of the points of the recipe.
        image_index: ``[n]``, the signal of each network.
        initial: Stacked tensors ``[n, ...]``.
        size: Of the grid that the points form, or () if they do not.
    """

    recipe: Recipe
    signals: Tensor
    image_index: Tensor
    initial: Mapping[str, Tensor]
    size: tuple[int, ...]

    def chunks(self, chunk_size: int | None) -> Sequence[Tensor]:
        """The numbers of all networks, in chunks; None for a size that is fast in bounded memory."""
        size = chunk_size or networks_at_once(state_sizes(self.initial), self.recipe.points)
        return torch.arange(len(self.image_index)).split(size)

    def work(self, chunk: Tensor) -> int:
        """Steps of all networks of a chunk."""
        return self.recipe.steps * len(chunk)

    def fit(self, chunk: Tensor, advance: Callable[[int], None]) -> dict[str, Tensor]:
        """Fit the networks numbered in ``chunk``; the result is that of :meth:`Recipe.fit`."""
        initial = {name: stack[chunk] for name, stack in self.initial.items()}
        targets = self.signals[self.image_index[chunk]].flatten(2)  # [n, C, p]
        return self.recipe.fit(initial, targets, advance)

    def result(self, parts: Sequence[Mapping[str, Tensor]]) -> FittedINRs:
        """All networks, from the results of all chunks in order."""
        states = {name: torch.cat([part[name] for part in parts]) for name in (*self.initial, "psnr")}
        return FittedINRs(states, states.pop("psnr"), self.image_index, self.recipe.omega, self.size)

    def identity(self) -> dict[str, str]:
        """Everything that the result depends on, as text by name."""
        return {
            "images": digest({"points": self.recipe.points, "signals": self.signals, "index": self.image_index}),
            "initial weights": digest(self.initial),
            "omega": str(self.recipe.omega),
            "steps": str(self.recipe.steps),
            "lr": str(self.recipe.lr),
            "device": self.recipe.points.device.type,
        }
