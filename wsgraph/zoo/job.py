"""All that is to be fitted in one call, and from where."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from wsgraph.zoo.checkpoint import digest
from wsgraph.zoo.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Job:
    """n networks, each with its own initial weights and its image.

    Attributes:
        recipe: How to fit them.
        pixels: The images, ``[N, C, H, W]``.
        image_index: ``[n]``, the image of each network.
        initial: Stacked tensors ``[n, ...]``.
    """

    recipe: Recipe
    pixels: Tensor
    image_index: Tensor
    initial: Mapping[str, Tensor]

    def fit(self, chunk: Tensor, advance: Callable[[int], None]) -> dict[str, Tensor]:
        """Fit the networks numbered in ``chunk``; the result is that of :meth:`Recipe.fit`."""
        initial = {name: stack[chunk] for name, stack in self.initial.items()}
        targets = self.pixels[self.image_index[chunk]].flatten(2)  # [n, C, p]
        return self.recipe.fit(initial, targets, advance)

    def identity(self) -> dict[str, str]:
        """Everything that the result depends on, as text by name."""
        return {
            "images": digest({"pixels": self.pixels, "index": self.image_index}),
            "initial weights": digest(self.initial),
            "omega": str(self.recipe.omega),
            "steps": str(self.recipe.steps),
            "lr": str(self.recipe.lr),
            "device": self.recipe.points.device.type,
        }
