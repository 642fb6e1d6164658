"""Weights of three axes and more: forms that are linear in several layers at once."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import torch
from torch import Tensor

from wsgraph.nn.powers import powers
from wsgraph.space import WeightSpace

LETTERS = "defghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Form:
    """One weight that several layers enter.

    Attributes:
        block: Index of its block.
        target_axis: The axis that runs over the target.
        sources: The layers along the other axes.
    """

    block: int
    target_axis: int
    sources: tuple[int, ...]

    def __call__(self, space: WeightSpace, weights: Tensor, states: list[Tensor]) -> Tensor:
        """Σ W_kij.. x_i z_j .., ``[B, targets, C]``: kernels act as their sum."""
        block = space.blocks[self.block]
        values = space.block_view(weights, self.block).reshape(len(weights), *block.shape)
        values = values.flatten(1 + len(block.axes)).sum(-1) if block.kernel else values
        letters = LETTERS[: len(block.axes)]
        others = letters.replace(letters[self.target_axis], "")
        terms = ",".join([f"b{letters}", *(f"b{letter}c" for letter in others)])
        return torch.einsum(f"{terms}->b{letters[self.target_axis]}c", values, *(states[i] for i in self.sources))


def forms_into(space: WeightSpace, layer: int) -> list[Form]:
    """The forms that enter a layer, where the scales of all axes fit those of the layers."""
    found: dict[tuple[int, int], list[int]] = defaultdict(list)
    for c in space.incoming[layer]:
        if c.role == "weight" and c.block is not None and c.source is not None and len(space.blocks[c.block].axes) > 2:
            found[c.block, c.target_axis].append(c.source)
    forms = [Form(block, axis, tuple(sources)) for (block, axis), sources in found.items()]
    return [form for form in forms if _fits(space, form, layer)]


def _fits(space: WeightSpace, form: Form, layer: int) -> bool:
    axes = list(space.blocks[form.block].axes)
    target = axes.pop(form.target_axis)
    if len(axes) != len(form.sources) or space.blocks[form.block].pieces > 1:
        return False
    layers = [space.layers[i] for i in form.sources]
    inverse = all(powers(space, (a.scale, 1), (s.scale, 1)) == () for a, s in zip(axes, layers, strict=True))
    sizes = all(len(a.offsets) == space.groups[s.group].size for a, s in zip(axes, layers, strict=True))
    return inverse and sizes and powers(space, (target.scale, 1)) == powers(space, (space.layers[layer].scale, 1))
