"""Boxes of a picture by layers, and which box reads which."""

from __future__ import annotations

from functools import cached_property

from wsgraph.space import WeightSpace
from wsgraph.space.operators import operators


class Boxes:
    """A box for each operator of a weight space, in the order of the forward pass.

    Attributes:
        boxes: The operators.
        sources: For each box, the boxes that it reads, and whether it reads any of them through weights.
    """

    def __init__(self, space: WeightSpace) -> None:
        self.space = space
        self.boxes = operators(space)
        box_of = {layer: i for i, box in enumerate(self.boxes) for layer in box.layers}
        self.sources: list[dict[int, bool]] = [{} for _ in self.boxes]
        for c in space.connections:
            if c.source is not None and (source := box_of[c.source]) != (target := box_of[c.target]):
                self.sources[target][source] = self.sources[target].get(source, False) or c.block is not None

    @cached_property
    def targets(self) -> list[list[int]]:
        """For each box, the boxes that read it."""
        found: list[list[int]] = [[] for _ in self.boxes]
        for target, sources in enumerate(self.sources):
            for source in sources:
                found[source].append(target)
        return found

    @cached_property
    def depth(self) -> list[int]:
        """Length of the longest path to each box. Sources stand just before the first box that reads them."""
        depth = [0] * len(self.boxes)
        for i, sources in enumerate(self.sources):
            before = [depth[source] for source in sources]
            if i and self._operator(i) == "data" and not self.targets[i - 1]:  # the thread was lost: it goes on here
                before.append(depth[i - 1])
            depth[i] = max(before, default=-1) + 1
        for i, targets in enumerate(self.targets):
            if self._operator(i) in ("input", "data") and targets:
                depth[i] = max(depth[i], min(depth[t] for t in targets) - 1)
        return depth

    def _operator(self, box: int) -> str:
        return self.space.layers[self.boxes[box].layers[0]].operator

    def groups(self, box: int) -> dict[int, int]:
        """The neuron groups of a box, with the number of units in each."""
        found: dict[int, int] = {}
        for layer in self.boxes[box].layers:
            group = self.space.layers[layer].group
            found[group] = found.get(group, 0) + self.space.size(layer)
        return found
