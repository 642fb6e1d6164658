"""Finding inputs that a model accepts, by trying names and shapes on tensors without numbers."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode
from torch.nn.utils.parametrize import is_parametrized
from torch.utils._pytree import tree_map

from wsgraph.errors import TraceError
from wsgraph.trace.export import evaluating, place_of, quiet, reason_of

Arguments = tuple[tuple[Tensor, ...], dict[str, Tensor]]

SIZES = (64, 32, 28, 224, 16, 8, 96, 128, 299, 256, 12, 20, 24, 40, 48, 56, 10, 14, *range(1, 65), 112, 160, 192, 384)
"""Sides of images, in the order in which they are tried; sides of volumes are small."""
_SEQUENCES = (nn.RNNBase, nn.MultiheadAttention, nn.Transformer, nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)

_DEPENDS_ON_VALUES = (DataDependentOutputException, DynamicOutputShapeException)


def find_arguments(model: nn.Module) -> Arguments:
    """Positional and keyword arguments that the model's forward accepts.

    Models that say what they take (``main_input_name`` and ``config``, as those of transformers do) get it by name. For
    others the first parameters give the number of channels; sizes of images are tried until every layer fits. All
    required arguments are of one shape.

    Raises:
        TraceError: No shape was accepted.

    Example:
        >>> args, kwargs = find_arguments(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 14 * 14, 10)))
        >>> args[0].shape, kwargs
        (torch.Size([2, 3, 16, 16]), {})
    """
    tried = 0
    reason = "it has no parameters to guess a shape from"
    blocked: Arguments | None = None
    with evaluating(model), quiet(), torch.no_grad():
        named = _by_name(model)
        guesses = chain(((g, True) for g in named or _by_shape(model)), ((g, False) for g in named))
        for guess, fake in guesses:
            tried += 1
            failure = _failure(model if fake else copy.deepcopy(model), guess, fake)
            if failure is None:
                return _with_numbers(model, guess)
            if isinstance(failure, _DEPENDS_ON_VALUES):
                blocked = blocked or guess
            reason = reason_of(failure) + place_of(failure)
    if blocked is not None:  # nothing was wrong with the shape
        return _with_numbers(model, blocked)
    raise TraceError(
        f"No example input was found for {type(model).__name__} after {tried} shapes (the last failed with: {reason}). "
        "Pass one: trace(model, example_inputs=(x, ...))."
    )


def _failure(model: nn.Module, guess: Arguments, fake: bool) -> Exception | None:
    """What happens when the model does not accept these arguments, without numbers or with them."""
    try:
        with FakeTensorMode(allow_non_fake_inputs=True) if fake else nullcontext():
            args, kwargs = _with_numbers(model, guess)
            model(*args, **kwargs)
    except Exception as error:
        return error
    return None


def _with_numbers(model: nn.Module, guess: Arguments) -> Arguments:
    return tree_map(lambda empty: _numbers(model, empty), guess)


def _numbers(model: nn.Module, empty: Tensor) -> Tensor:
    """Random numbers, or indices that every embedding has."""
    if empty.is_floating_point():
        return torch.rand(empty.shape, dtype=empty.dtype, device=_device(model))
    counts = [m.num_embeddings for m in model.modules() if isinstance(m, nn.Embedding | nn.EmbeddingBag)]
    indices = torch.arange(empty.numel(), device=_device(model)).reshape(empty.shape)
    return indices % min((n for n in counts if n > 2), default=2)


def _device(model: nn.Module) -> torch.device:
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def _empty(*shape: int, dtype: torch.dtype = torch.long) -> Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


# ------------------------------------------------------------------------------------------------------------- by name


def _by_name(model: nn.Module) -> list[Arguments]:
    """The main input alone, then with the others; nothing if the model does not name it."""
    names = inspect.signature(model.forward).parameters
    main = getattr(model, "main_input_name", None)
    config = getattr(model, "config", None)
    if main not in names or config is None:
        return []
    vision = getattr(config, "vision_config", config)
    side = getattr(vision, "image_size", None)
    frames = 2 * getattr(config, "max_source_positions", 32)
    dtype = next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.get_default_dtype())
    guesses: list[Arguments] = []
    sized = not side and names.keys() & {"pixel_values", "input_values"}
    for size in SIZES[:10] if sized else (side or 64,):
        sides = tuple(size) if isinstance(size, tuple | list) else (size, size)
        known = {
            "input_ids": _empty(2, 8),
            "pixel_values": _empty(2, getattr(vision, "num_channels", 3), *sides, dtype=dtype),
            "input_features": _empty(2, getattr(config, "num_mel_bins", 80), frames, dtype=dtype),
            "input_values": _empty(2, 100 * sides[0], dtype=dtype),  # of speech
            "decoder_input_ids": _empty(2, 6),
        }
        wanted = {name: value for name, value in known.items() if name in names}
        if main in wanted:
            guesses += [((), {main: wanted[main]}), ((), wanted)]
    return guesses


# ------------------------------------------------------------------------------------------------------------ by shape


def _by_shape(model: nn.Module) -> Iterator[Arguments]:
    parameters = inspect.signature(model.forward).parameters.values()
    count = sum(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
    seen: set[Any] = set()
    for module in model.modules():
        first = next(module.parameters(recurse=False), next(_parametrizations(module), None))
        if first is None:
            continue
        dtype = first.dtype if first.is_floating_point() else torch.get_default_dtype()
        dtype = torch.long if isinstance(module, nn.Embedding | nn.EmbeddingBag) else dtype
        for shape in _shapes(module, first):
            if (shape, dtype) not in seen:
                seen.add((shape, dtype))
                yield tuple(_empty(*shape, dtype=dtype) for _ in range(max(count, 1))), {}
        if len(seen) > 400:
            return


def _parametrizations(module: nn.Module) -> Iterator[nn.Parameter]:
    return module.get_submodule("parametrizations").parameters() if is_parametrized(module) else iter(())


def _shapes(module: nn.Module, first: Tensor) -> Iterator[tuple[int, ...]]:
    """Shapes of inputs of a module, of which one parameter is given."""
    if isinstance(module, nn.Embedding | nn.EmbeddingBag):
        yield from ((2, n) for n in (8, 16, 32, 64))
        return
    if first.dim() == 0:
        return
    kernel = getattr(module, "kernel_size", None)
    spatial = len(kernel) if isinstance(kernel, tuple) else max(first.dim() - 2, 0)
    if spatial:
        channels = getattr(module, "in_channels", first.shape[1] if first.dim() > 1 else len(first))
        yield from ((2, channels, *[size] * spatial) for size in SIZES if spatial < 3 or size <= 32)
        return
    channels = getattr(module, "in_features", first.shape[1] if first.dim() > 1 else len(first))
    plain = ((2, channels), (2, 8, channels), (2, channels, 8), (2, channels, 8, 8), (channels,))
    yield from plain[1:2] + plain if isinstance(module, _SEQUENCES) else plain
