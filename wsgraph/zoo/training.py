"""The training of one chunk of networks, all at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wsgraph.zoo.data import ClassData
from wsgraph.zoo.data_order import DataOrder, num_steps
from wsgraph.zoo.dropout import step_keys
from wsgraph.zoo.optimizer import StackedOptimizer
from wsgraph.zoo.runs import Run
from wsgraph.zoo.stacked import StackedNetworks

_EVALUATED_AT_ONCE = 256  # inputs of the data, times the networks


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Some networks after some of their epochs.

    Attributes:
        rows: ``[k]``, which networks.
        epochs: ``[k]``, after how many epochs.
        states: Tensors ``[k, ...]`` by name.
        scores: Tensors ``[k]`` by name: losses and accuracies.
    """

    rows: Tensor
    epochs: Tensor
    states: dict[str, Tensor]
    scores: dict[str, Tensor]


class Training:
    """Networks of one architecture, each with its own hyperparameters, trained in one loop over steps.

    The networks with the most steps come first, so that those still in training are always the first k, and every
    operation acts on a slice.

    Args:
        model: The architecture, on the device and of the dtype of the data.
        states: Initial state dicts, stacked ``[n, ...]``.
        runs: The n networks.
        data: To train and test on.
        batch_size: Of every step.
        checkpoints: The epochs, beside the last one of each network, after which it is kept; 0 is before the first.
    """

    def __init__(
        self,
        model: nn.Module,
        states: dict[str, Tensor],
        runs: Sequence[Run],
        data: ClassData,
        batch_size: int,
        checkpoints: Collection[int],
    ) -> None:
        steps = torch.tensor([num_steps(run, len(data.x), batch_size)[0] for run in runs])
        self._ranks = steps.argsort(descending=True, stable=True)
        runs = [runs[i] for i in self._ranks.tolist()]
        self._order = DataOrder(runs, len(data.x), batch_size)
        self._data, self._checkpoints = data, checkpoints
        device = data.x.device
        drawn = [run.drawn for run in runs]
        rates = None
        if drawn[0].dropout is not None:
            rates = torch.tensor([d.dropout for d in drawn], dtype=torch.float64, device=device)
        states = {name: stack[self._ranks].to(device) for name, stack in states.items()}
        self._networks = StackedNetworks(model, states, rates)
        self._optimizer = StackedOptimizer(
            self._networks.weights,
            [d.optimizer for d in drawn],
            [d.lr for d in drawn],
            [d.weight_decay for d in drawn],
            [d.momentum for d in drawn],
        )
        self._seeds = torch.tensor([run.seed for run in runs], device=device)
        self._members = self._order.members().to(device)

    def run(self, advance: Callable[[int], None]) -> list[Snapshot]:
        """Train all networks to their last epochs; ``advance`` is called after each step with how many took it."""
        steps, per_epoch = self._order.steps, self._order.steps_per_epoch
        last = steps // per_epoch
        wanted = torch.tensor(sorted(self._checkpoints), dtype=torch.long)
        snapshots = [self._snapshot(torch.arange(len(steps)), torch.zeros_like(steps))] if 0 in wanted else []
        for step in range(int(steps[0])):
            count = int((steps > step).sum())
            self._step(step, count)
            epochs = (step + 1) // per_epoch[:count]
            ends = (step + 1) % per_epoch[:count] == 0
            rows = (ends & (torch.isin(epochs, wanted) | (epochs == last[:count]))).nonzero()[:, 0]
            if len(rows):
                snapshots.append(self._snapshot(rows, epochs[rows]))
            advance(count)
        return snapshots

    def _step(self, step: int, count: int) -> None:
        places = self._order.batch(step, count).to(self._data.x.device)
        keys = step_keys(self._seeds[:count], step)
        gradients = self._networks.gradients(self._data.x[places], self._data.y[places], keys)
        self._optimizer.step(gradients, step + 1)

    def _snapshot(self, rows: Tensor, epochs: Tensor) -> Snapshot:
        here = rows.to(self._data.x.device)
        scores = self._scores("train", here, self._data.x, self._data.y, self._members[here])
        if self._data.x_test is not None and self._data.y_test is not None:
            every = self._members.new_ones(len(rows), len(self._data.y_test))
            scores |= self._scores("test", here, self._data.x_test, self._data.y_test, every)
        states = {name: stack.cpu() for name, stack in self._networks.states(here).items()}
        return Snapshot(self._ranks[rows], epochs, states, scores)

    def _scores(self, part: str, rows: Tensor, x: Tensor, y: Tensor, members: Tensor) -> dict[str, Tensor]:
        """Mean loss and accuracy of each network on its members ``[k, N]`` of the data."""
        sums = torch.zeros(2, len(rows), dtype=torch.float64, device=x.device)
        parts = (tensor.split(_EVALUATED_AT_ONCE, -1) for tensor in (y, members))
        for inputs, classes, mask in zip(x.split(_EVALUATED_AT_ONCE), *parts, strict=True):
            outputs = self._networks.evaluate(rows, inputs)  # [k, b, classes]
            losses = F.cross_entropy(outputs.mT, classes.expand(len(rows), -1), reduction="none")
            hits = (outputs.argmax(-1) == classes).double()
            sums += torch.stack([losses.double().where(mask, 0.0).sum(1), hits.where(mask, 0.0).sum(1)])
        loss, accuracy = (sums / members.sum(1)).cpu()
        return {f"{part}_loss": loss, f"{part}_accuracy": accuracy}
