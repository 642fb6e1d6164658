"""DualFlow: a network over networks whose messages are products with the weights themselves."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsgraph.nn.canonical import ScaleInvariant
from wsgraph.nn.forward import Forward
from wsgraph.nn.models.model import WeightSpaceModel
from wsgraph.nn.readout import WeightUpdate, perceptron
from wsgraph.nn.reset import reset_children
from wsgraph.nn.structure import structure
from wsgraph.nn.units import HIDDEN, part_of
from wsgraph.space import WeightSpace


class DualFlow(WeightSpaceModel):
    r"""States that flow through the input networks' own weights and activations, in its first, covariant form.

    ``hidden_channels`` learned inputs are pushed through each network (:class:`wsgraph.nn.Forward`). The answers of
    the output units, and for each layer the mean of invariants of its units' states,

    .. math:: s_i = φ(\operatorname{canon}(Γ p_i)), \qquad r_l = \frac{1}{n_l} \sum_{i \in l} s_i,

    are read out by a perceptron. No tensor of edges × channels is made: the cost is that of running each network on
    ``hidden_channels`` inputs.

    **Symmetry**: invariant (``out_channels=n``) or equivariant (``out_channels=None``) to permutations and to every
    scale class of the space, and to half turns before sines. Not covered: matrices on linear groups.

    Args:
        space: The weight space of the networks that it takes.
        hidden_channels: Number of learned inputs, and width of the states.
        num_layers: Number of hidden layers of the perceptron.
        out_channels: Number of outputs for each network, or None for updated weights.

    Shapes:
        - **input**: neuron graphs of ``space``, B of them
        - **output**: ``[B, out_channels]``, or B neuron graphs

    Example:
        >>> import torch, wsgraph
        >>> from torch.nn import Linear, Sequential, Tanh
        >>> models = [Sequential(Linear(2, 8), Tanh(), Linear(8, 1)) for _ in range(4)]
        >>> space = wsgraph.trace(models[0])
        >>> graphs = wsgraph.to_graphs([m.state_dict() for m in models], space)
        >>> wsgraph.nn.DualFlow(space, 16, 2, out_channels=10)(graphs).shape
        torch.Size([4, 10])
    """

    def __init__(
        self, space: WeightSpace, hidden_channels: int = 128, num_layers: int = 2, out_channels: int | None = None
    ) -> None:
        super().__init__(space, hidden_channels, num_layers, out_channels)
        channels = hidden_channels
        self.states = Forward(space, channels)
        self.outputs = [i for i, layer in enumerate(space.layers) if layer.output and structure(space).fixed[i]]
        self.read = [i for i in range(len(space.layers)) if part_of(space, i) == HIDDEN]
        self.invariants = nn.ModuleDict({str(i): ScaleInvariant(channels, channels) for i in self.read})
        answers = channels * sum(space.size(i) for i in self.outputs) + channels * len(self.read)
        if out_channels is None:
            self.unit_embedding = nn.ParameterDict(
                {str(i): nn.Parameter(torch.empty(space.size(i), channels)) for i in self._fixed()}
            )
            self.context = perceptron(answers, channels, num_layers, channels)
            self.update = WeightUpdate(space, channels, channels)
        else:
            self.readout = perceptron(answers, 2 * channels, num_layers, out_channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial weights."""
        reset_children(self)
        for value in getattr(self, "unit_embedding", {}).values():
            nn.init.normal_(value)

    def _fixed(self) -> list[int]:
        return [i for i in range(len(self.space.layers)) if i not in self.read]

    def _unit_invariants(self, states: list[Tensor]) -> dict[int, Tensor]:
        """Invariant states ``[B, units, channels]`` of the hidden layers."""
        form = structure(self.space)
        return {i: self.invariants[str(i)](states[i], form.magnitude[i], form.sign[i]) for i in self.read}

    def _answers(self, states: list[Tensor], invariants: dict[int, Tensor]) -> Tensor:
        parts = [states[i].flatten(1) for i in self.outputs] + [invariants[i].mean(1) for i in self.read]
        return torch.cat(parts, dim=1)

    def _invariant(self, weights: Tensor) -> Tensor:
        states = self.states(weights)
        return self.readout(self._answers(states, self._unit_invariants(states)))

    def _updated_weights(self, weights: Tensor) -> Tensor:
        states = self.states(weights)
        invariants = self._unit_invariants(states)
        context = self.context(self._answers(states, invariants))[:, None]
        every = [
            context + (invariants[i] if i in invariants else self.unit_embedding[str(i)])
            for i in range(len(self.space.layers))
        ]
        return self.update(weights, every, states)
