"""Stacked state dicts of SIRENs: the names and shapes of their tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from torch import Tensor

from wsgraph.errors import WSGraphError


def state_shapes(sizes: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor of :meth:`Siren.state_dict`, in its order, by the widths from input to output."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        shapes[f"layers.{layer}.weight"] = (fan_out, fan_in)
        shapes[f"layers.{layer}.bias"] = (fan_out,)
    return shapes


def state_sizes(states: Mapping[str, Tensor]) -> tuple[int, ...]:
    """The widths, from input to output, of a stack of SIRENs ``[n, ...]``.

    Raises:
        WSGraphError: These are not the tensors of a stack of SIRENs.
    """
    found = {name: tuple(stack.shape[1:]) for name, stack in states.items()}
    biases = [found.get(f"layers.{layer}.bias", ()) for layer in range(len(found) // 2)]
    sizes = (*found.get("layers.0.weight", ())[1:], *(size for shape in biases for size in shape))
    if len(sizes) < 3 or found != state_shapes(sizes) or len({len(stack) for stack in states.values()}) > 1:
        shapes = {name: list(stack.shape) for name, stack in states.items()}
        raise WSGraphError(
            "Expected the state dicts of SIRENs stacked along a first axis: layers.0.weight [n, out, in], "
            f"layers.0.bias [n, out], layers.1.weight, ..., but got {shapes}."
        )
    return sizes
