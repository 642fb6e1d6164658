"""Finding an input that a model accepts, by trying shapes on tensors without numbers."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from wsgraph.errors import TraceError
from wsgraph.trace.export import evaluating, place_of, reason_of

SIZES = (
    64,
    32,
    28,
    224,
    16,
    8,
    96,
    128,
    299,
    256,
    12,
    20,
    24,
    40,
    48,
    56,
    10,
    14,
    *range(1, 65),
    112,
    160,
    192,
    384,
    512,
)


def find_example_inputs(model: nn.Module) -> tuple[Tensor, ...]:
    """One input tensor of a shape that the model's forward accepts.

    The first parameters give the number of channels; sizes of images are tried until every layer fits.

    Raises:
        TraceError: No shape was accepted.
    """
    tried = 0
    reason = "it has no parameters to guess a shape from"
    with evaluating(model), torch.no_grad():
        for shape, dtype in _candidates(model):
            tried += 1
            failure = _failure(model, shape, dtype)
            if failure is None:
                device = next((p.device for p in model.parameters()), torch.device("cpu"))
                if dtype == torch.long:
                    return (torch.zeros(shape, dtype=dtype, device=device),)
                return (torch.rand(shape, dtype=dtype, device=device),)
            reason = failure
    raise TraceError(
        f"No example input was found for {type(model).__name__} after {tried} shapes (the last failed with: {reason}). "
        "Pass one: trace(model, example_inputs=(x, ...))."
    )


def _failure(model: nn.Module, shape: tuple[int, ...], dtype: torch.dtype) -> str | None:
    """Why the model does not accept this shape, or None if it does."""
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    disabled, logger.disabled = logger.disabled, True  # it prints a traceback for every shape that does not fit
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            model(torch.empty(shape, dtype=dtype, device=next(model.parameters()).device))
    except Exception as error:
        return reason_of(error) + place_of(error)
    finally:
        logger.disabled = disabled
    return None


def _candidates(model: nn.Module) -> Iterator[tuple[tuple[int, ...], torch.dtype]]:
    seen: set[Any] = set()
    for module in model.modules():
        own = list(module.parameters(recurse=False))
        if not own:
            continue
        dtype = own[0].dtype if own[0].is_floating_point() else torch.get_default_dtype()
        for candidate in _shapes(module, own[0]):
            kind = torch.long if isinstance(module, nn.Embedding) else dtype
            if (candidate, kind) not in seen:
                seen.add((candidate, kind))
                yield candidate, kind
        if len(seen) > 400:
            return


def _shapes(module: nn.Module, parameter: Tensor) -> Iterator[tuple[int, ...]]:
    if isinstance(module, nn.Embedding):
        yield from ((2, n) for n in (8, 16, 32, 64))
        return
    if parameter.dim() == 0:
        return
    groups = getattr(module, "groups", 1)
    spatial = max(parameter.dim() - 2, 0)
    channels = parameter.shape[1] * groups if parameter.dim() > 1 else parameter.shape[0]
    if spatial:
        yield from ((2, channels, *[size] * spatial) for size in SIZES)
    else:
        yield from ((2, channels), (2, 8, channels), (2, channels, 8), (2, channels, 8, 8), (channels,))
