"""Random numbers for the values of a program; data without units are worked out from random inputs and buffers."""

from __future__ import annotations

import operator
import zlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx

from wsgraph.trace.pieces import operator_of
from wsgraph.trace.value import Value
from wsgraph.trace.widened import Widened


class Unknown(Exception):
    """A call that cannot be made, or a value that cannot be told."""


class Numbers:
    """Numbers of values that nothing acts on, in float64; tied tensors are one."""

    def __init__(self, values: Mapping[fx.Node, Any]) -> None:
        self.values = values
        self.known: dict[fx.Node | str, Any] = {}

    def of(self, node: fx.Node) -> Any:
        """Random numbers for activations and stored tensors; for others, what their calls make of random ones.

        Raises:
            Unknown: A call fails.
        """
        value = self.values.get(node)
        key = value.tensor if isinstance(value, Value) and value.is_raw and value.tensor else node
        if key not in self.known:
            random = node.op == "placeholder" or (isinstance(value, Value) and value.labels and not value.is_parameter)
            self.known[key] = made(node) if random else self._computed(node)
        return self.known[key]

    def _computed(self, node: fx.Node) -> Any:
        if node.op != "call_function":
            raise Unknown
        try:
            return self.call(node, {arg: self.of(arg) for arg in node.all_input_nodes})
        except RecursionError as error:
            raise Unknown from error

    def call(self, node: fx.Node, arguments: Mapping[fx.Node, Any]) -> Any:
        """The result of a call with other arguments."""
        args, kwargs = fx.map_arg((node.args, dict(node.kwargs)), arguments.__getitem__)
        target: Any = node.target
        if target is not operator.getitem and (not operator_of(node) or target._schema.is_mutable):
            raise Unknown
        kwargs = {name: "cpu" if name == "device" else value for name, value in kwargs.items()}
        if target is torch.ops.aten.view.default:
            target = torch.ops.aten.reshape.default
        try:
            with torch.no_grad(), Widened():
                result = target(*args, **kwargs)
        except (RuntimeError, IndexError, TypeError, ValueError, NotImplementedError) as error:
            raise Unknown from error
        return result + 1 if operator_of(node) == "arange" and result.numel() == 1 else result  # 0 would turn nothing


def made(node: fx.Node) -> Tensor:
    """Random numbers for a value: normal ones, or some other whole numbers, or truth values."""
    like = node.meta.get("val")
    if not isinstance(like, Tensor) or like.is_complex():
        raise Unknown
    shape = tuple(int(n) for n in like.shape)
    generator = torch.Generator().manual_seed(zlib.crc32(node.name.encode()))
    if like.is_floating_point():
        return torch.randn(shape, generator=generator, dtype=torch.float64)
    if like.dtype == torch.bool:
        return torch.rand(shape, generator=generator) < 0.5
    return (torch.arange(like.numel()) % 7 + 1).reshape(shape).to(like.dtype)
