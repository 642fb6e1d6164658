"""From state dicts to flat weight vectors and back: the one place that moves bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from wsgraph.errors import SpaceError, StateError
from wsgraph.space.parts import Block, TensorSpec

if TYPE_CHECKING:
    from wsgraph.space.weight_space import WeightSpace

State = Mapping[str, Tensor]


def flatten(space: WeightSpace, state: State) -> tuple[Tensor, Tensor]:
    """One vector of weights and one of integers from a state dict, or two matrices from a stack of them.

    Args:
        space: The weight space.
        state: Tensors of the shapes in ``space.tensors``, or all of them with one more leading axis of size N.

    Returns:
        ``weights`` ``[P]`` or ``[N, P]``, block by block, and ``integers`` ``[Q]`` or ``[N, Q]`` (int64).

    Raises:
        StateError: A tensor is missing, unknown, wrongly shaped, of mixed dtype, or differs from the one it is tied to.
    """
    batch = check_state(space, state)
    weight_dtype = _common_dtype(space, state)
    device = next((state[t.name].device for t in space.tensors), torch.device("cpu"))
    weights = torch.empty((*batch, space.num_weights), dtype=weight_dtype, device=device)
    numel = {t.name: t.numel for t in space.tensors}
    for block, part in zip(space.blocks, space.slices, strict=True):
        flat = state[block.tensor].detach().reshape(*batch, numel[block.tensor])
        weights[..., part] = _read(flat, block).reshape(*batch, block.numel)
    integers = [state[t.name].reshape(*batch, t.numel).long() for t in space.integer_tensors]
    empty = torch.empty((*batch, 0), dtype=torch.long, device=device)
    return weights, torch.cat([empty, *integers], dim=-1)


def unflatten(space: WeightSpace, weights: Tensor, integers: Tensor | None = None) -> dict[str, Tensor]:
    """The inverse of :func:`flatten`, bit for bit.

    Args:
        space: The weight space.
        weights: ``[P]`` or ``[N, P]``.
        integers: ``[Q]`` or ``[N, Q]``; zeros if not given.

    Raises:
        SpaceError: ``weights`` does not have P entries.
    """
    if weights.shape[-1] != space.num_weights:
        raise SpaceError(
            f"Expected {space.num_weights} weights for {space!r}, got a tensor of shape {tuple(weights.shape)}."
        )
    batch = weights.shape[:-1]
    state: dict[str, Tensor] = {}
    for spec in space.tensors:
        if spec.is_floating:
            dtype = weights.dtype if spec.dtype == "float" else getattr(torch, spec.dtype)
            state[spec.name] = torch.empty((*batch, spec.numel), dtype=dtype, device=weights.device)
    for block, part in zip(space.blocks, space.slices, strict=True):
        _write(state[block.tensor], block, weights[..., part])
    _restore_integers(space, state, integers, batch, weights.device)
    shaped = {t.name: state[t.same_as or t.name].reshape((*batch, *t.shape)) for t in space.tensors if not t.same_as}
    return {t.name: shaped[t.same_as or t.name] for t in space.tensors}


def like(state: State, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors as a state dict that modules accept as they accept this one: with the versions of its modules."""
    result = OrderedDict(tensors)
    if hasattr(state, "_metadata"):
        result._metadata = state._metadata  # type: ignore[attr-defined]
    return result


def check_state(space: WeightSpace, state: State) -> tuple[int, ...]:
    """The batch shape of a state dict, ``()`` or ``(N,)``, after all checks.

    Raises:
        StateError: See :func:`flatten`.
    """
    names = [t.name for t in space.tensors]
    missing, extra = [n for n in names if n not in state], [n for n in state if n not in set(names)]
    if missing or extra:
        raise StateError(
            f"The state dict does not belong to this weight space: missing {_some(missing)}, unexpected "
            f"{_some(extra)}. Pass the state dict of a model of the traced architecture, or trace this model."
        )
    batches = {_batch_shape(spec, state[spec.name]) for spec in space.tensors}
    if len(batches) > 1:
        raise StateError(f"The tensors disagree on the number of stacked networks: {sorted(batches)}.")
    for spec in space.tensors:
        if spec.same_as and not _same_numbers(state[spec.name], state[spec.same_as]):
            raise StateError(
                f"{spec.name!r} is tied to {spec.same_as!r} in this weight space, but their values differ."
            )
    return batches.pop() if batches else ()


def _same_numbers(a: Tensor, b: Tensor) -> bool:
    return a is b or bool(((a == b) | (a.isnan() & b.isnan())).all())


def _batch_shape(spec: TensorSpec, tensor: Tensor) -> tuple[int, ...]:
    shape = tuple(tensor.shape)
    lead = shape[: len(shape) - len(spec.shape)]
    if len(lead) > 1 or shape[len(lead) :] != spec.shape:
        raise StateError(
            f"Tensor {spec.name!r}: expected shape {list(spec.shape)} (or [N, ...] for N stacked networks), "
            f"got {list(shape)}."
        )
    if tensor.is_floating_point() != spec.is_floating:
        raise StateError(f"Tensor {spec.name!r}: expected dtype {spec.dtype}, got {tensor.dtype}.")
    return lead


def _common_dtype(space: WeightSpace, state: State) -> torch.dtype:
    specs = [t for t in space.tensors if t.is_floating]
    found = {t.name: state[t.name].dtype for t in specs}
    if all(t.dtype == "float" for t in specs) and len(set(found.values())) > 1:
        raise StateError(
            f"Expected one floating dtype for all tensors, got {sorted({str(d) for d in found.values()})}. "
            "Cast the network to one dtype, or trace the mixed network itself."
        )
    for spec in specs:
        if spec.dtype != "float" and getattr(torch, spec.dtype) != found[spec.name]:
            raise StateError(f"Tensor {spec.name!r}: expected dtype {spec.dtype}, got {found[spec.name]}.")
    return reduce(torch.promote_types, found.values()) if found else torch.get_default_dtype()


def _restore_integers(
    space: WeightSpace,
    state: dict[str, Tensor],
    integers: Tensor | None,
    batch: tuple[int, ...],
    device: torch.device,
) -> None:
    if integers is None:
        integers = torch.zeros((*batch, space.num_integers), dtype=torch.long, device=device)
    parts = integers.split([t.numel for t in space.integer_tensors], dim=-1) if space.integer_tensors else ()
    for spec, part in zip(space.integer_tensors, parts, strict=True):
        state[spec.name] = part.to(getattr(torch, spec.dtype))


def _read(flat: Tensor, block: Block) -> Tensor:
    """The block's entries ``[*batch, *block.shape]`` from a flattened tensor ``[*batch, numel]``."""
    even = block.strides
    if even is None:
        return flat[..., torch.from_numpy(block.index()).to(flat.device)]
    flat = flat.contiguous()
    start, strides = even
    batch_strides = (flat.shape[-1],) if flat.dim() == 2 else ()
    shape = (*flat.shape[:-1], *block.shape)
    return flat.as_strided(shape, (*batch_strides, *strides), flat.storage_offset() + start)


def _write(flat: Tensor, block: Block, values: Tensor) -> None:
    """Put the block's entries back, in place."""
    if block.strides is None:
        index = torch.from_numpy(np.ascontiguousarray(block.index().reshape(-1))).to(flat.device)
        flat[..., index] = values.to(flat.dtype)
    else:
        target = _read(flat, block)
        target.copy_(values.reshape(target.shape))


def _some(names: list[str]) -> str:
    shown = ", ".join(repr(n) for n in names[:3])
    return (shown + (f" and {len(names) - 3} more" if len(names) > 3 else "")) or "nothing"
