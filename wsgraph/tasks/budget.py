"""How many epochs of a task fit into a time."""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path

from wsgraph.files import write_bytes
from wsgraph.tasks.data import WeightData
from wsgraph.tasks.task import Task

TRIED = 4
"""Training steps that are timed."""


def epochs_within(seconds: float, task: Task, data: WeightData, folder: Path) -> int:
    """Passes over the training networks that take about so many seconds on this machine, at least one.

    Some steps of a copy of the task are timed, the first one apart. The answer is kept in ``epochs.json``, so that a
    training that is interrupted goes on with the same number.

    Args:
        seconds: For all passes.
        task: It is not changed.
        data: Its networks.
        folder: Of the training.
    """
    path = folder / "epochs.json"
    if not path.exists():
        epochs = max(1, round(seconds / _seconds_a_pass(copy.deepcopy(task), data)))
        write_bytes(path, json.dumps({"epochs": epochs, "seconds": seconds}).encode())
    return int(json.loads(path.read_bytes())["epochs"])


def _seconds_a_pass(task: Task, data: WeightData) -> float:
    task.look_at(data)
    passes = data.train_dataloader()
    optimizer = task.optimizer()
    times = []
    for _, batch in zip(range(TRIED), passes, strict=False):
        start = time.perf_counter()
        optimizer.zero_grad()
        task.loss(batch if task.augment is None else task.augment(batch)).backward()
        optimizer.step()
        times.append(time.perf_counter() - start)
    return min(times[1:] or times) * len(passes)
