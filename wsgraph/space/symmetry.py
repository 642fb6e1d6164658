"""One element of the symmetry group of a weight space, or a batch of them, and its action."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from wsgraph.errors import SpaceError
from wsgraph.space import layout
from wsgraph.space.parts import Block
from wsgraph.space.scale import Scale, ScaleSet

if TYPE_CHECKING:
    from wsgraph.space.weight_space import WeightSpace


@dataclass(frozen=True, eq=False, repr=False)
class Symmetry:
    r"""A transformation of the weights that leaves the function of the network unchanged.

    With permutations σ and multipliers λ of every unit,

    .. math:: W'_{ij} = λ_i W_{σ(i)σ(j)} λ_j^{-1}, \qquad b'_i = λ_i b_{σ(i)}.

    Attributes:
        space: The weight space it acts on.
        orders: For every neuron group, the units in their new order: ``[size]``, or ``[B, size]`` for a batch
            of B symmetries. ``σ(i) = order[i]``.
        multipliers: For every scale class, λ in the new order: ``[size]`` or ``[B, size]``, float64.

    Example:
        >>> import torch, wsgraph
        >>> model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
        >>> space = wsgraph.trace(model)
        >>> g = space.random_symmetry(torch.Generator().manual_seed(0))
        >>> moved = g(model.state_dict())
        >>> back = (g.inverse() @ g)(model.state_dict())
        >>> torch.allclose(back["0.weight"], model[0].weight)
        True
    """

    space: WeightSpace
    orders: tuple[Tensor, ...]
    multipliers: tuple[Tensor, ...]

    def __call__(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The moved state dict, in new tensors: one network, or a stack of N (by one symmetry, or by one each)."""
        weights, integers = layout.flatten(self.space, state)
        moved = self.act(weights)
        return layout.unflatten(self.space, moved, integers.expand(*moved.shape[:-1], -1))

    def act(self, weights: Tensor) -> Tensor:
        """Move flat weights.

        Args:
            weights: ``[P]`` or ``[N, P]``, as stored in a neuron graph.

        Returns:
            New weights of the same shape; ``[B, P]`` where a batch of B symmetries acts on one network.

        Raises:
            SpaceError: The last axis is not P, or B and N differ.
        """
        if weights.shape[-1] != self.space.num_weights or weights.dim() > 2:
            raise SpaceError(
                f"Expected weights of shape [{self.space.num_weights}] or [N, {self.space.num_weights}], "
                f"got {list(weights.shape)}."
            )
        batch = self.batch_shape
        if batch and weights.dim() == 2 and weights.shape[0] != batch[0]:
            raise SpaceError(f"A batch of {batch[0]} symmetries cannot act on {weights.shape[0]} networks.")
        if batch and weights.dim() == 1:
            weights = weights.expand(*batch, -1)
        out = torch.empty_like(weights, memory_format=torch.contiguous_format)
        for block, part in zip(self.space.blocks, self.space.slices, strict=True):
            values = weights[..., part].reshape(*weights.shape[:-1], *block.shape)
            out[..., part] = self._act_on(block, values).reshape(*weights.shape[:-1], -1)
        return out

    def __matmul__(self, other: Symmetry) -> Symmetry:
        """First ``other``, then ``self``."""
        self._check_same_space(other)
        orders = [_take(theirs, ours) for ours, theirs in zip(self.orders, other.orders, strict=True)]
        multipliers = []
        for scale_class, ours, theirs in zip(self.space.scales, self.multipliers, other.multipliers, strict=True):
            multipliers.append(ours * _take(theirs, self.orders[scale_class.group]))
        return Symmetry(self.space, tuple(orders), tuple(multipliers))

    def inverse(self) -> Symmetry:
        """The symmetry that undoes this one."""
        orders = tuple(order.argsort(dim=-1) for order in self.orders)
        multipliers = []
        for scale_class, values in zip(self.space.scales, self.multipliers, strict=True):
            multipliers.append(1 / _take(values, orders[scale_class.group]))
        return Symmetry(self.space, orders, tuple(multipliers))

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """``()``, or ``(B,)`` for a batch of symmetries."""
        return next((tuple(t.shape[:-1]) for t in (*self.orders, *self.multipliers)), ())

    def scale_values(self, scale: Scale) -> Tensor | None:
        """A scale as numbers, ``[size]`` or ``[B, size]`` (float64), or None for the scale 1."""
        factors = []
        for factor in scale:
            values = self.multipliers[factor.scale_class]
            factors.append(values.abs() ** factor.power * (values.sign() if factor.parity else 1.0))
        return reduce(torch.mul, factors) if factors else None

    def __repr__(self) -> str:
        batch = f"batch of {self.batch_shape[0]}, " if self.batch_shape else ""
        moved = sum(g.size for g in self.space.groups if not g.fixed)
        return f"Symmetry({batch}{moved} units permuted, {sum(m.shape[-1] for m in self.multipliers)} scaled)"

    def _act_on(self, block: Block, values: Tensor) -> Tensor:
        """Move one block, ``[*batch, *block.shape]``."""
        lead = values.dim() - len(block.shape)
        for i, axis in enumerate(block.axes):
            if not self.space.groups[axis.group].fixed:
                values = _reorder(values, self.orders[axis.group].to(values.device), lead + i, lead)
        factor = self._factor(block, values)
        if factor is None:
            return values
        scaled = values * factor.to(values.dtype)
        return scaled + (block.shift * (factor - 1)).to(values.dtype) if block.shift else scaled

    def _factor(self, block: Block, values: Tensor) -> Tensor | None:
        """The multipliers of a block, broadcastable to it (float64), or None for 1."""
        factors = []
        for i, axis in enumerate(block.axes):
            numbers = self.scale_values(axis.scale)
            if numbers is not None:
                shape = [1] * len(block.shape)
                shape[i] = -1
                factors.append(numbers.to(values.device).reshape(*numbers.shape[:-1], *shape))
        return reduce(torch.mul, factors) if factors else None

    def _check_same_space(self, other: Symmetry) -> None:
        if not isinstance(other, Symmetry) or other.space != self.space:
            raise SpaceError("Only symmetries of the same weight space can be composed.")


def random_symmetry(
    space: WeightSpace,
    generator: torch.Generator | None = None,
    permute: bool = True,
    scale: bool = True,
    max_scale: float = 10.0,
    batch_size: int | None = None,
) -> Symmetry:
    """See :meth:`wsgraph.WeightSpace.random_symmetry`."""
    if not max_scale >= 1:
        raise SpaceError(
            f"max_scale must be at least 1, got {max_scale}: multipliers lie in [1 / max_scale, max_scale]."
        )
    batch = () if batch_size is None else (batch_size,)
    orders, multipliers = [], []
    for group in space.groups:
        keys = torch.arange(group.size).double().expand(*batch, -1)
        if permute and not group.fixed:
            keys = torch.rand(*batch, group.size, generator=generator, dtype=torch.float64)
        orders.append(keys.argsort(dim=-1))
    for scale_class in space.scales:
        shape = (*batch, space.groups[scale_class.group].size)
        multipliers.append(_random_multipliers(scale_class.values, shape, generator, max_scale, scale))
    return Symmetry(space, tuple(orders), tuple(multipliers))


def _random_multipliers(
    values: ScaleSet, shape: tuple[int, ...], generator: torch.Generator | None, max_scale: float, scale: bool
) -> Tensor:
    """Magnitudes log-uniform in [1 / max_scale, max_scale], signs even; ones where ``scale`` is off."""
    out = torch.ones(shape, dtype=torch.float64)
    if scale and values.has_magnitude:
        out = max_scale ** (2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1)
    if scale and values.has_sign:
        out = out * (2.0 * torch.randint(2, shape, generator=generator) - 1)
    return out


def _take(values: Tensor, order: Tensor) -> Tensor:
    """``values[order]`` along the last axis, with batches of either."""
    batch = torch.broadcast_shapes(values.shape[:-1], order.shape[:-1])
    return values.expand(*batch, -1).gather(-1, order.expand(*batch, -1))


def _reorder(values: Tensor, order: Tensor, dim: int, lead: int) -> Tensor:
    """Entries of ``values`` along ``dim`` in the given order, or in one order for each of the batch."""
    if order.dim() == 1:
        return values.index_select(dim, order)
    shape = [1] * values.dim()
    shape[0], shape[dim] = order.shape
    return values.gather(dim, order.reshape(shape).expand(values.shape)) if lead else values
