"""All that a chunk of classifiers needs to be trained, wherever that is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from wsgraph.space import WeightSpace
from wsgraph.zoo.data import ClassData
from wsgraph.zoo.data_order import num_steps
from wsgraph.zoo.runs import Factory, Run, initial_states, torch_seed
from wsgraph.zoo.training import Snapshot, Training


@dataclass(frozen=True, eq=False)
class ClassifierJob:
    """What all chunks share.

    Attributes:
        factories: By the names of the architectures.
        spaces: The weight space of each.
        data: To train and test on.
        batch_size: Of every step.
        checkpoints: The epochs after which networks are kept, beside the last.
    """

    factories: Mapping[str, Factory]
    spaces: Mapping[str, WeightSpace]
    data: ClassData
    batch_size: int
    checkpoints: frozenset[int]

    def work(self, chunk: Sequence[Run]) -> int:
        """Steps of all networks."""
        return sum(num_steps(run, len(self.data.x), self.batch_size)[0] for run in chunk)

    def fit(self, chunk: Sequence[Run], advance: Callable[[int], None]) -> tuple[Tensor, Tensor, dict[str, Any]]:
        """Train networks of one architecture.

        Returns:
            ``weights`` ``[n, P]``, ``integers`` ``[n, Q]`` and the columns of the table, by network, then by epoch.
        """
        architecture = chunk[0].architecture
        factory, like = self.factories[architecture], self.data.x
        states = initial_states(factory, chunk, like.dtype)
        with torch_seed(chunk[0].seed):
            model = factory().to(like)
        training = Training(model, states, chunk, self.data, self.batch_size, self.checkpoints)
        return self._shard(chunk, training.run(advance))

    def _shard(self, chunk: Sequence[Run], snapshots: Sequence[Snapshot]) -> tuple[Tensor, Tensor, dict[str, Any]]:
        rows, epochs = (torch.cat([getattr(s, name) for s in snapshots]) for name in ("rows", "epochs"))
        order = (rows * (epochs.max() + 1) + epochs).argsort()

        def joined(kind: str) -> dict[str, Tensor]:
            first = getattr(snapshots[0], kind)
            return {name: torch.cat([getattr(s, kind)[name] for s in snapshots])[order] for name in first}

        weights, integers = self.spaces[chunk[0].architecture].flatten(joined("states"))
        runs = [chunk[row] for row in rows[order].tolist()]
        drawn = [asdict(run.drawn) for run in runs]
        table = {
            "network": [run.network for run in runs],
            "seed": [run.seed for run in runs],
            "epoch": epochs[order],
            "architecture": [run.architecture for run in runs],
            **{name: [row[name] for row in drawn] for name in drawn[0]},
            **joined("scores"),
            "finite": weights.isfinite().all(1),
        }
        unused = {"architecture": len(self.factories) == 1, "dropout": drawn[0]["dropout"] is None}
        return weights, integers, {name: column for name, column in table.items() if not unused.get(name)}
