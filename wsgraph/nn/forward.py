"""Learned inputs pushed through the networks' own layers and activations."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from wsgraph.errors import SpaceError
from wsgraph.nn.structure import Flow, flow_weights, is_norm, layer_bias, structure
from wsgraph.space import Pointwise, WeightSpace
from wsgraph.trace.registry import find_rule


class Forward(nn.Module):
    r"""Covariant states: what every unit of every network answers to learned inputs.

    .. math:: p_{\text{in}} \text{ learned}, \qquad
        p_t = a_t\Big(\sum_s \sum_k W_{ts}^{(k)} (p_s \odot α_k) + b_t\Big),

    with the network's own weights W, biases b and activations a, and learned factors α for kernel positions (spatial
    axes are not unrolled: a convolution acts as one matrix for each position, pooling as the identity).

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
        inputs = [i for i, layer in enumerate(space.layers) if layer.is_source]
        self.inputs = nn.ParameterDict({str(i): nn.Parameter(torch.empty(space.size(i), channels)) for i in inputs})
        sizes = {flow.kernel for flows in structure(space).flows for flow in flows if flow.kernel > 1}
        self.kernels = nn.ParameterDict({str(k): nn.Parameter(torch.empty(k, channels)) for k in sorted(sizes)})
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new inputs from [-1, 1] and factors near 1."""
        for value in self.inputs.values():
            nn.init.uniform_(value, -1, 1)
        for value in self.kernels.values():
            nn.init.normal_(value, 1, 0.5)

    def forward(self, weights: Tensor) -> list[Tensor]:
        """The states of all layers."""
        states: list[Tensor] = []
        for i, layer in enumerate(self.space.layers):
            value = self._value(i, weights, states)
            for call in layer.activation:
                value = apply_pointwise(call, [value])
            states.append(value)
        return [state if state.is_floating_point() else state.to(weights.dtype) for state in states]

    def _value(self, i: int, weights: Tensor, states: list[Tensor]) -> Tensor:
        layer = self.space.layers[i]
        if layer.is_source:
            return self.inputs[str(i)].expand(len(weights), -1, -1)
        if layer.operator == "linear":
            return self._summed(i, weights, states)
        operands = self._operands(i, weights, states)
        if is_norm(self.space, i):
            return self._normalised(i, operands[0], weights)
        if layer.pointwise is not None:
            return apply_pointwise(layer.pointwise, operands, self._slope(i, weights))
        if "softmax" in layer.operator:
            return getattr(torch, layer.operator)(operands[0], dim=1)
        reduce = "mean" if layer.operator == "pointwise" else layer.operator
        return getattr(torch, reduce)(torch.stack(operands), dim=0) if len(operands) > 1 else operands[0]

    def _summed(self, i: int, weights: Tensor, states: list[Tensor]) -> Tensor:
        total = layer_bias(self.space, i, weights)
        value = None if total is None else total[..., None].expand(-1, -1, self.channels)
        for flow in structure(self.space).flows[i]:
            message = self._message(flow, weights, states[flow.source])
            value = message if value is None else value + message
        return states[0].new_zeros(len(weights), self.space.size(i), self.channels) if value is None else value

    def _message(self, flow: Flow, weights: Tensor, state: Tensor) -> Tensor:
        numbers = flow_weights(self.space, flow, weights)
        if flow.diagonal:
            factors = numbers if flow.kernel == 1 else numbers @ self.kernels[str(flow.kernel)]
            return factors * state
        if flow.kernel > 1:
            state = (state[:, :, None] * self.kernels[str(flow.kernel)]).flatten(1, 2)  # [B, sources * kernel, C]
        return numbers.flatten(2) @ state

    def _operands(self, i: int, weights: Tensor, states: list[Tensor]) -> list[Tensor]:
        operands = []
        for c in self.space.incoming[i]:
            if c.role == "operand" and c.source is not None:
                operands.append(states[c.source])
            elif c.role == "operand":
                assert c.block is not None
                size = self.space.blocks[c.block].shape[0]
                operands.append(
                    self.space.block_view(weights, c.block).reshape(len(weights), size, -1).mean(-1, keepdim=True)
                )
        return operands

    def _normalised(self, i: int, value: Tensor, weights: Tensor) -> Tensor:
        layer = self.space.layers[i]
        if layer.operator in ("layer_norm", "group_norm"):
            value = value - value.mean(1, keepdim=True)
        if layer.operator in ("layer_norm", "group_norm", "rms_norm"):
            value = value * (value.square().mean(1, keepdim=True) + layer.eps).rsqrt()
        diagonal = flow_weights(self.space, structure(self.space).flows[i][0], weights)
        bias = layer_bias(self.space, i, weights)
        value = diagonal * value
        return value if bias is None else value + bias[..., None]

    def _slope(self, i: int, weights: Tensor) -> Tensor | None:
        block = structure(self.space).vectors[i].slope
        if block is None:
            return None
        return self.space.block_view(weights, block).reshape(len(weights), -1, 1)

    def extra_repr(self) -> str:
        """Its sizes."""
        return f"{self.space!r}, channels={self.channels}"


def apply_pointwise(call: Pointwise, operands: list[Tensor], slope: Tensor | None = None) -> Tensor:
    """Run an elementwise ATen call on states.

    Raises:
        SpaceError: The call names an operator that no rule knows.
    """
    packet, overload = call.op.split(".")
    if packet == "prelu":
        assert slope is not None
        return torch.where(operands[0] > 0, operands[0], slope * operands[0])
    operator = getattr(getattr(torch.ops.aten, packet, None), overload, None)
    if operator is None or not (find_rule(packet) or torch.Tag.pointwise in operator.tags):
        raise SpaceError(f"Unknown elementwise operator {call.op!r} in the weight space.")
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for argument in call.args:
        if isinstance(argument, str) and argument.startswith("$"):
            args.append(operands[int(argument[1:])])
        elif isinstance(argument, tuple) and len(argument) == 2 and isinstance(argument[0], str):
            kwargs[argument[0]] = argument[1]
        else:
            args.append(argument)
    return operator(*args, **kwargs)
