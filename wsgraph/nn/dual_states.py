"""Covariant states, and the contravariant ones that flow back to them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from wsgraph.nn.forward import Forward
from wsgraph.nn.plan import Plan
from wsgraph.space import WeightSpace


def dual_states(
    flow: Forward,
    weights: Tensor,
    seeds: Mapping[int, Tensor],
    layers: Sequence[int],
    plan: Plan | None = None,
    gains: Mapping[int, Tensor] | None = None,
) -> tuple[list[Tensor], dict[int, Tensor]]:
    r"""States p of all layers, and contravariant states q of some: a vector-Jacobian product of the flow.

    .. math:: q_i = \sum_o \frac{\partial p_o}{\partial p_i}^{\top} u_o, \qquad
        q_s = \sum_t W_{ts}^{\top} \big(a_t'(z_t) \odot q_t\big) \text{ along linear maps},

    channel by channel, with seeds u of output layers o. Since p is equivariant, and outputs stay, what a symmetry
    multiplies p by, it divides q by.

    Args:
        flow: Runs the networks on learned inputs.
        weights: ``[B, P]``.
        seeds: For output layers that stay, ``[units, C]``.
        layers: Those whose q is wanted.
        plan: As for :class:`Forward`.
        gains: As for :class:`Forward`.

    Returns:
        For each layer p, and for these layers q, ``[B, units, C]``; zeros where no output depends on a layer.
    """
    if not seeds:
        return flow(weights, plan, gains), {}
    space, zero = (plan or flow.plan).space, weights.new_zeros(())
    nudges = {i: zero.expand(len(weights), space.size(i), flow.channels) for i in layers}

    def run(nudges: dict[int, Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        states = flow(weights, plan, gains, nudges)
        return [states[o] for o in seeds], states

    result: Any = torch.func.vjp(run, nudges, has_aux=True)
    tops, pull, states = result
    (found,) = pull([seed.to(top).expand_as(top) for seed, top in zip(seeds.values(), tops, strict=True)])
    return states, found


def leading_to(space: WeightSpace, layers: Collection[int]) -> tuple[int, ...]:
    """These layers, and all from which something flows to them."""
    found, waiting = set(layers), list(layers)
    while waiting:
        target = waiting.pop()
        sources = {c.source for c in space.incoming[target] if c.source is not None} - found
        found |= sources
        waiting += sources
    return tuple(sorted(found))
