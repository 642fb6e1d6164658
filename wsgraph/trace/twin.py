"""A copy of a model that runs on other weights: what its symmetries are checked with."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from wsgraph.space import WeightSpace
from wsgraph.space.draws import uniform
from wsgraph.trace.export import evaluating
from wsgraph.trace.nested import map_tensors, tensors_of
from wsgraph.trace.widened import Widened

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


class Twin:
    """The outputs of a model in one floating type, in evaluation, as a function of its flat weights.

    Blocks and inputs of equal entries (fresh biases and norms) are replaced by random numbers, since they hide
    mistakes. In float64 the casts inside the model are to float64, too.

    Args:
        model: The model; it is not changed.
        space: Its weight space.
        arguments: Positional and keyword arguments of its forward.
        dtype: The floating type.
        generator: Source of randomness.

    Attributes:
        space: The weight space of the copy, all of whose floating tensors have one type.
        weights: Its flat weights.
    """

    def __init__(
        self, model: nn.Module, space: WeightSpace, arguments: Arguments, dtype: torch.dtype, generator: torch.Generator
    ) -> None:
        def varied(value: Tensor, name: str = "") -> Tensor:
            """A floating tensor in this type, and with numbers in [0.5, 1.5] in place of equal ones."""
            if not value.is_floating_point():
                return value
            if value.numel() and bool((value == value.reshape(-1)[0]).all()):
                value = (uniform(*value.shape, generator=generator) + 0.5).to(value.device)
            return value.to(dtype)

        self.model = copy.deepcopy(model).to(dtype)
        self.space = in_one_width(space)
        self.arguments = map_tensors(varied, arguments)
        self.weights, self._integers = self.space.flatten(self.model.state_dict())
        for i in range(len(self.space.blocks)):
            view = self.space.block_view(self.weights, i)
            view.copy_(varied(view))
        self._casts = Widened if dtype == torch.float64 else nullcontext

    def __call__(self, weights: Tensor) -> list[Tensor]:
        """Every tensor inside the model's result, with these weights ``[P]`` and at the same inputs."""
        state = self.space.unflatten(weights, self._integers)
        with torch.no_grad():
            for name, tensor in self.model.state_dict().items():
                tensor.copy_(state[name])
        args, kwargs = copy.deepcopy(self.arguments)
        with evaluating(self.model), torch.no_grad(), self._casts():
            return tensors_of(self.model(*args, **kwargs))


def in_one_width(space: WeightSpace) -> WeightSpace:
    """The space of the network cast to one floating type."""
    return replace(space, tensors=tuple(replace(t, dtype="float") if t.is_floating else t for t in space.tensors))
