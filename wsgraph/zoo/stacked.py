"""Many networks of one architecture as one: their parameters in a matrix, their buffers stacked."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F

from wsgraph.errors import WSGraphError
from wsgraph.zoo.dropout import key_dropouts


class StackedNetworks:
    """n networks of one architecture, with forward and backward passes for all of them in one call.

    Parameters are columns of one matrix, so that an optimiser needs a few elementwise calls. Buffers (running
    statistics) are stacked, and each network's own training updates them.

    Args:
        model: The architecture; a copy is kept.
        states: Stacked tensors ``[n, ...]`` under the names of its state dict; copied.
        rates: The dropout rate ``[n]`` of every ``nn.Dropout``; None for those of the model.

    Raises:
        WSGraphError: Rates are given, and the model has no ``nn.Dropout``.

    Attributes:
        weights: ``[n, P]``, all parameters.
    """

    def __init__(self, model: nn.Module, states: Mapping[str, Tensor], rates: Tensor | None = None) -> None:
        self._model = copy.deepcopy(model)
        self._shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
        self._sizes = [shape.numel() for shape in self._shapes.values()]
        self.weights = torch.cat([states[name].reshape(len(states[name]), -1) for name in self._shapes], 1)
        count = len(self.weights)
        self._buffers = {
            name: states[name].clone(memory_format=torch.contiguous_format)
            if name in states
            else buffer.to(self.weights.device).expand(count, *buffer.shape).contiguous()
            for name, buffer in model.named_buffers()
        }
        self._dropouts = key_dropouts(self._model, rates is not None)
        self._model.to(self.weights.device)
        if rates is not None and not self._dropouts:
            raise WSGraphError("A dropout rate is drawn, but the network has no nn.Dropout that would take it.")
        self._rates = rates
        self._names = _tied_names(model)

    def gradients(self, x: Tensor, y: Tensor, keys: Tensor) -> Tensor:
        """The gradients ``[k, P]`` of the mean cross-entropies of the first k networks; updates their buffers.

        Args:
            x: Inputs ``[k, B, ...]``, a batch for each network.
            y: Classes ``[k, B]``.
            keys: ``[k]``, of the masks of dropout.
        """
        self._model.train()
        rows = slice(len(x))
        try:
            found = vmap(grad(self._loss))(self._parameters(rows), self._state(rows, keys), x, y)
        except RuntimeError as error:
            raise WSGraphError(
                f"This network cannot be trained together with others (by torch.func.vmap): {error} Draw no random "
                "numbers but by nn.Dropout, and make no decision by the values of tensors."
            ) from error
        return torch.cat([found[name].reshape(len(x), -1) for name in self._shapes], 1)

    @torch.no_grad()
    def evaluate(self, rows: Tensor, x: Tensor) -> Tensor:
        """The outputs ``[k, b, classes]`` of some networks on shared inputs ``[b, ...]``, in evaluation mode."""
        self._model.eval()
        state = self._state(rows, torch.zeros_like(rows))
        outputs: Tensor = vmap(self._call, in_dims=(0, 0, None))(self._parameters(rows), state, x)
        return outputs

    def states(self, rows: Tensor) -> dict[str, Tensor]:
        """Copies of the state dicts of some networks: tensors ``[k, ...]`` by name."""
        own = {**self._parameters(rows), **{name: buffer[rows] for name, buffer in self._buffers.items()}}
        return {name: own[first] for name, first in self._names.items()}

    def _parameters(self, rows: slice | Tensor) -> dict[str, Tensor]:
        parts = self.weights[rows].split(self._sizes, 1)
        return {
            name: part.unflatten(1, shape) if len(shape) else part[:, 0]
            for (name, shape), part in zip(self._shapes.items(), parts, strict=True)
        }

    def _state(self, rows: slice | Tensor, keys: Tensor) -> dict[str, Tensor]:
        """Buffers, and what dropout needs."""
        state = {name: buffer[rows] for name, buffer in self._buffers.items()}
        for name in self._dropouts:
            state[f"{name}.key"] = keys
            if self._rates is not None:
                state[f"{name}.rate"] = self._rates[rows]
        return state

    def _call(self, parameters: dict[str, Tensor], state: dict[str, Tensor], x: Tensor) -> Tensor:
        outputs: Tensor = functional_call(self._model, (parameters, state), (x,))
        return outputs

    def _loss(self, parameters: dict[str, Tensor], state: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(self._call(parameters, state, x), y)


def _tied_names(model: nn.Module) -> dict[str, str]:
    """For every name of the state dict, the first name of the same tensor."""
    first: dict[int, str] = {}
    return {name: first.setdefault(id(tensor), name) for name, tensor in model.state_dict(keep_vars=True).items()}
