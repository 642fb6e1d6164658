"""Learned inputs pushed through the networks' own layers and activations."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from wsgraph.nn.aligned import aligned
from wsgraph.nn.canonical import canonical
from wsgraph.nn.operands import (
    Operand,
    gathered,
    in_pieces,
    mean_over_others,
    multiplied,
    operands_of,
    parts_multiplied,
)
from wsgraph.nn.plan import Plan, plan_of
from wsgraph.nn.pointwise import apply_pointwise
from wsgraph.nn.powers import powers
from wsgraph.nn.structure import Flow, flow_weights, layer_bias, norm_diagonal, structure, vector_of
from wsgraph.space import WeightSpace


class Forward(nn.Module):
    r"""Covariant states: what every unit of every network answers to learned inputs.

    .. math:: p_{\text{in}} \text{ learned}, \qquad
        p_t = a_t\Big(\sum_s \sum_k W_{ts}^{(k)} (p_s \odot α_k) + b_t\Big),

    with the network's own weights W, biases b and activations a, and learned factors α for kernel positions. Positions
    are not unrolled: a convolution acts as one matrix for each kernel position, pooling as the identity; an attention
    score is the mean of q ⊙ k over the units of its head, and multiplies the values of the head. Steps of a recurrent
    layer start from 0; where the space says what state a step leaves, a second one is made. Where the space does not
    say how a value is computed (it is made of several tensors, or with numbers that the space does not hold), its
    operands go on by themselves, brought to its multiplier; those that cannot be are not seen.

    **Symmetry**: equivariant. The state of a unit moves with the unit and is multiplied as its value is.

    Args:
        space: The weight space.
        channels: Number of learned inputs C.

    Shapes:
        - **input**: weights ``[B, P]``
        - **output**: one state ``[B, units, C]`` for each layer
    """

    def __init__(self, space: WeightSpace, channels: int) -> None:
        super().__init__()
        self.space = space
        self.channels = channels
        self.plan = plan_of(space)
        fixed = structure(space).fixed
        inputs = [i for i, layer in enumerate(space.layers) if layer.is_source and fixed[i]]
        self.inputs = nn.ParameterDict({str(i): nn.Parameter(torch.empty(space.size(i), channels)) for i in inputs})
        sizes = {flow.link.kernel for flows in structure(space).flows for flow in flows if flow.link.kernel > 1}
        self.kernels = nn.ParameterDict({str(k): nn.Parameter(torch.empty(k, channels)) for k in sorted(sizes)})
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new inputs from [-1, 1] and factors near 1."""
        for value in self.inputs.values():
            nn.init.uniform_(value, -1, 1)
        for value in self.kernels.values():
            nn.init.normal_(value, 1, 0.5)

    def forward(
        self,
        weights: Tensor,
        plan: Plan | None = None,
        gains: Mapping[int, Tensor] | None = None,
        nudges: Mapping[int, Tensor] | None = None,
    ) -> list[Tensor]:
        """The states of all layers.

        Args:
            weights: ``[B, P]``.
            plan: That of their weight space, if it is another one with layers like those of the own.
            gains: What the states of a layer are multiplied by before they go on: invariants ``[B, units, C]``.
            nudges: What is added to them: zeros, for derivatives by the states.
        """
        plan, zero, gains = plan or self.plan, weights.new_zeros(()), gains or {}
        layers = range(len(plan.space.layers))
        states = [zero.expand(len(weights), plan.space.size(i), self.channels) for i in layers]
        if plan.recurs:
            states = self._step(plan, weights, states, gains, {})
        return self._step(plan, weights, states, gains, nudges or {})

    def _step(
        self,
        plan: Plan,
        weights: Tensor,
        before: list[Tensor],
        gains: Mapping[int, Tensor],
        nudges: Mapping[int, Tensor],
    ) -> list[Tensor]:
        """The states of all layers, after those of the step before."""
        states = list(before)
        for i, layer in enumerate(plan.space.layers):
            value = self._value(plan, i, weights, states)
            for call in layer.activation:
                value = apply_pointwise(call, [value])
            if value.is_floating_point():  # the answer of a comparison goes on as it is
                value = value * gains[i] if i in gains else value
                value = value + nudges[i] if i in nudges else value
            states[i] = value
        return [state if state.is_floating_point() else state.to(weights.dtype) for state in states]

    def _value(self, plan: Plan, i: int, weights: Tensor, states: list[Tensor]) -> Tensor:
        space, layer = plan.space, plan.space.layers[i]
        if str(i) in self.inputs:
            return self.inputs[str(i)].expand(len(weights), -1, -1)
        if layer.operator == "linear":
            return self._summed(plan, i, weights, states)
        operands = operands_of(space, i, weights, states)
        if i in plan.exact:
            assert layer.pointwise is not None
            beside = [aligned(space, o.state, o.group, layer.group) for o in operands]
            slope = vector_of(space, i, plan.vectors[i].slope, weights)
            value = apply_pointwise(layer.pointwise, beside, None if slope is None else slope[..., None])
            return value.expand(-1, -1, self.channels)
        if i in plan.before_norm:
            return self._normalised(plan, i, operands, weights)
        if layer.operator == "product":
            operands = multiplied(space, operands)
        if layer.operator == "prod":
            operands = parts_multiplied(space, i, operands)
        value = gathered(space, i, operands, powers(space, (layer.scale, 1)), self._zeros(plan, i, weights))
        if "softmax" in layer.operator:
            value = getattr(torch, layer.operator)(in_pieces(space, i, value), dim=2).flatten(1, 2)
        return value

    def _zeros(self, plan: Plan, i: int, weights: Tensor) -> Tensor:
        return weights.new_zeros(len(weights), plan.space.size(i), self.channels)

    def _summed(self, plan: Plan, i: int, weights: Tensor, states: list[Tensor]) -> Tensor:
        space = plan.space
        terms = [self._message(space, flow, weights, states[flow.link.source]) for flow in plan.flows[i]]
        terms += [form(space, weights, states) for form in plan.forms[i]]
        bias = layer_bias(space, i, weights, plan.vectors[i])
        terms += [] if bias is None else [bias[..., None]]
        terms += [mean_over_others(space, c, weights) for c in plan.wide[i]]
        return sum(terms[1:], terms[0]).expand(-1, -1, self.channels) if terms else self._zeros(plan, i, weights)

    def _message(self, space: WeightSpace, flow: Flow, weights: Tensor, state: Tensor) -> Tensor:
        link, numbers = flow.link, flow_weights(space, flow, weights)  # [B, pieces, targets, sources, kernel]
        state = canonical(state.to(numbers), flow.magnitude, flow.sign).unflatten(1, (link.pieces, -1))
        if link.sources == 1:
            factors = numbers[:, :, :, 0] if link.kernel == 1 else numbers[:, :, :, 0] @ self.kernels[str(link.kernel)]
            return (factors * state).flatten(1, 2)
        if link.kernel > 1:
            state = (state[:, :, :, None] * self.kernels[str(link.kernel)]).flatten(2, 3)  # [B, pieces, s * kernel, C]
        return (numbers.flatten(3) @ state).flatten(1, 2)

    def _normalised(self, plan: Plan, i: int, operands: list[Operand], weights: Tensor) -> Tensor:
        """A normalisation, by running statistics or of all units (of a piece) together."""
        space, layer = plan.space, plan.space.layers[i]
        value = gathered(space, i, operands, plan.before_norm[i], self._zeros(plan, i, weights))
        if layer.operator in ("layer_norm", "group_norm", "rms_norm"):
            value = in_pieces(space, i, value)
            value = value - value.mean(2, keepdim=True) if layer.operator != "rms_norm" else value
            square = value.square().mean(2, keepdim=True) + layer.eps
            value = (value * square.clamp_min(1e-30).rsqrt()).flatten(1, 2)
        bias = layer_bias(space, i, weights, plan.vectors[i])
        value = norm_diagonal(space, i, weights, plan.vectors[i])[..., None] * value
        return value if bias is None else value + bias[..., None]

    def extra_repr(self) -> str:
        """Its sizes."""
        return f"{self.space!r}, channels={self.channels}"
