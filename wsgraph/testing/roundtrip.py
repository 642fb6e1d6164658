"""State dicts through neuron graphs and back."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from wsgraph.graph import to_graph, to_graphs, to_state_dict
from wsgraph.space import WeightSpace
from wsgraph.testing.moves import seeded
from wsgraph.trace import trace

DTYPES = (torch.float32, torch.float64, torch.bfloat16)


def assert_roundtrip(model: nn.Module, space: WeightSpace | None = None, *, example_inputs: Any = None) -> None:
    """A model's state dict comes back from its neuron graph bit for bit: keys in order, shapes, dtypes and bits.

    Copies of the model in float32, float64 and bfloat16 are tried (as it is, if it mixes widths), each with its own
    numbers and with random bits in every tensor, integers included; one by one and two in a batch.

    Args:
        model: Any module; it is not changed.
        space: Its weight space; traced if not given.
        example_inputs: As for :func:`wsgraph.trace`.

    Raises:
        AssertionError: Something changed, with the tensor and the entry.

    Example:
        >>> import torch
        >>> from wsgraph.testing import assert_roundtrip
        >>> assert_roundtrip(torch.nn.BatchNorm2d(4), example_inputs=torch.rand(2, 4, 3, 3))
    """
    __tracebackhide__ = True
    space = trace(model, example_inputs) if space is None else space
    generator = seeded(None)
    mixed = len({t.dtype for t in space.tensors if t.is_floating}) > 1
    for twin in [model] if mixed else [copy.deepcopy(model).to(dtype) for dtype in DTYPES]:
        own = dict(twin.state_dict())
        if not own:
            raise AssertionError(f"{type(model).__name__} has an empty state dict, which proves nothing.")
        random = _random_bits(own, generator)
        stacked = to_state_dict(to_graphs([own, random], space))
        for i, state in enumerate((own, random)):
            _assert_same(to_state_dict(to_graph(state, space)), state)
            _assert_same({key: tensor[i] for key, tensor in stacked.items()}, state)


def _random_bits(state: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """Tensors of the same form with random bits, -0.0 for what is not finite; one tensor for each storage."""
    fresh: dict[tuple[int, torch.Size], Tensor] = {}
    for tensor in state.values():
        bits = torch.randint(256, (tensor.numel() * tensor.element_size(),), generator=generator, dtype=torch.uint8)
        values = bits % 2 == 0 if tensor.dtype == torch.bool else bits.view(tensor.dtype)
        if tensor.is_floating_point():
            values = torch.where(values.isfinite(), values, -0.0)
        fresh[tensor.data_ptr(), tensor.shape] = values.to(tensor.dtype).reshape(tensor.shape)
    return {name: fresh[tensor.data_ptr(), tensor.shape].to(tensor.device) for name, tensor in state.items()}


def _assert_same(back: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    __tracebackhide__ = True
    if list(back) != list(state):
        raise AssertionError(f"The keys came back as {list(back)}, not {list(state)}.")
    for name, tensor in state.items():
        came, went = (f"{t.dtype} {list(t.shape)}" for t in (back[name], tensor))
        if came != went:
            raise AssertionError(f"Tensor {name!r} came back as {came}, it was {went}.")
        wrong = (_bits(back[name]) != _bits(tensor)).any(dim=-1).nonzero()
        if len(wrong):
            at = tuple(int(i) for i in wrong[0])
            entry, was = back[name][at].item(), tensor[at].item()
            raise AssertionError(f"{name!r}{list(at)} came back as {entry!r}, it was {was!r} ({tensor.dtype}).")


def _bits(tensor: Tensor) -> Tensor:
    """``[*shape, bytes]``."""
    return tensor.contiguous().unsqueeze(-1).view(torch.uint8)
