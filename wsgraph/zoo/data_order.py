"""Which part of the training data each network sees, and in which order."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wsgraph.zoo.runs import Run, stream


def num_steps(run: Run, size: int, batch_size: int) -> tuple[int, int]:
    """Steps of a whole training on ``size`` inputs, and of an epoch."""
    per_epoch = part_length(run, size, batch_size) // batch_size
    return run.drawn.epochs * per_epoch, per_epoch


def part_length(run: Run, size: int, batch_size: int) -> int:
    """How many inputs a network sees: at least one batch."""
    return max(batch_size, round(run.drawn.fraction * size))


class DataOrder:
    """For each of n networks a random part of the data, in a new random order in every epoch, in whole batches.

    The part has ``fraction`` of the data, and at least one batch; what is left of an epoch after the last whole batch
    is left out, which is something else each time.

    Args:
        runs: The networks.
        size: N, of the training data.
        batch_size: B.

    Attributes:
        steps_per_epoch: ``[n]``, int64.
        steps: ``[n]``, int64: of the whole training.
    """

    def __init__(self, runs: Sequence[Run], size: int, batch_size: int) -> None:
        self._generators = [stream(run.seed, "data") for run in runs]
        lengths = [part_length(run, size, batch_size) for run in runs]
        draws = zip(self._generators, lengths, strict=True)
        self._parts = [torch.randperm(size, generator=generator)[:length] for generator, length in draws]
        counts = torch.tensor([num_steps(run, size, batch_size) for run in runs])
        self.steps, self.steps_per_epoch = counts.unbind(1)
        self._size = size
        self._places = torch.empty(len(runs), int(self.steps_per_epoch.max()), batch_size, dtype=torch.long)

    def members(self) -> Tensor:
        """``[n, N]``, booleans: what each network sees."""
        members = torch.zeros(len(self._parts), self._size, dtype=torch.bool)
        for row, part in enumerate(self._parts):
            members[row, part] = True
        return members

    def batch(self, step: int, count: int) -> Tensor:
        """Places ``[count, B]`` in the data for a step of the first networks; to be called for step 0, 1, ..."""
        position = step % self.steps_per_epoch[:count]
        for row in (position == 0).nonzero()[:, 0].tolist():
            self._begin_epoch(row)
        return self._places[torch.arange(count), position]

    def _begin_epoch(self, row: int) -> None:
        part, steps = self._parts[row], int(self.steps_per_epoch[row])
        order = torch.randperm(len(part), generator=self._generators[row])
        batch_size = self._places.shape[-1]
        self._places[row, :steps] = part[order[: steps * batch_size]].view(steps, batch_size)
