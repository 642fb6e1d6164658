"""Example inputs from words such as ``1x3x224x224``, ``2x16:int`` or ``mask=2x16:bool``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from wsgraph.cli.console import CommandError
from wsgraph.trace.interpreter import as_arguments

_WORD = re.compile(r"(?:(?P<name>[^\W\d]\w*)=)?(?P<shape>\d+(?:x\d+)*)(?::(?P<kind>int|bool|float))?")

MAX_ID = 10
"""Token ids are below this number, and below the size of every embedding."""


def parse_inputs(words: Sequence[str], model: nn.Module) -> Any:
    """A tuple of tensors, or a dictionary if they have names.

    Raises:
        CommandError: A word is none of these, or some have names and others do not.
    """
    found = [_parse(word, model) for word in words]
    names = [name for name, _ in found]
    if not any(names):
        return tuple(tensor for _, tensor in found)
    if not all(names) or len(set(names)) < len(names):
        raise CommandError("Give every --input a name of its own (--input x=1x3x8x8 --input mask=1x8:bool), or none.")
    return {name: tensor for name, tensor in found if name}


def find_inputs(words: Sequence[str], model: nn.Module) -> Any:
    """The inputs that were given, or some that the model accepts: a tuple, or a dictionary.

    Raises:
        TraceError: None were given, and none were found.
    """
    if words:
        return parse_inputs(words, model)
    args, kwargs = as_arguments(model, None)
    return kwargs or args


def describe_inputs(inputs: Any) -> list[str]:
    """``["2x3x64x64"]``: the words that give these inputs."""
    named = inputs.items() if isinstance(inputs, dict) else [("", value) for value in inputs]
    return [_describe(name, value) for name, value in named if isinstance(value, Tensor)]


def _parse(word: str, model: nn.Module) -> tuple[str | None, Tensor]:
    match = _WORD.fullmatch(word)
    if match is None:
        raise CommandError(
            f"Expected an input such as 1x3x224x224, 2x16:int (token ids) or mask=2x16:bool, got {word!r}."
        )
    shape = tuple(map(int, match["shape"].split("x")))
    parameter = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
    if match["kind"] == "bool":
        return match["name"], torch.ones(shape, dtype=torch.bool, device=parameter.device)
    if match["kind"] == "int":
        sizes = [m.num_embeddings for m in model.modules() if isinstance(m, nn.Embedding | nn.EmbeddingBag)]
        limit = max(min([MAX_ID, *sizes]), 1)
        return match["name"], (torch.arange(torch.Size(shape).numel(), device=parameter.device) % limit).reshape(shape)
    return match["name"], torch.rand(shape, dtype=parameter.dtype, device=parameter.device)


def _describe(name: str, tensor: Tensor) -> str:
    kind = "" if tensor.is_floating_point() else ":bool" if tensor.dtype == torch.bool else ":int"
    return (f"{name}=" if name else "") + "x".join(map(str, tensor.shape)) + kind
