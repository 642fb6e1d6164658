"""Train many classifiers at once, each with its own hyperparameters."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from wsgraph.errors import WSGraphError
from wsgraph.space import WeightSpace
from wsgraph.trace import trace
from wsgraph.zoo.checkpoint import digest
from wsgraph.zoo.chunks import run_chunks
from wsgraph.zoo.classifier_job import ClassifierJob
from wsgraph.zoo.data import ClassData
from wsgraph.zoo.hyperparameters import Hyperparameters
from wsgraph.zoo.runs import Factory, Run, initial_states, plan_runs, torch_seed

if TYPE_CHECKING:
    from wsgraph.datasets import WeightDataset


def train_classifiers(
    factory: Factory | Mapping[str, Factory],
    data: Sequence[Tensor],
    folder: str | os.PathLike[str],
    *,
    count: int,
    hyperparameters: Hyperparameters | None = None,
    seed: int | Sequence[int] = 0,
    batch_size: int = 32,
    checkpoints: Collection[int] = (),
    chunk_size: int = 64,
    ray: int | None = None,
    device: torch.device | str | None = None,
    progress: bool = True,
) -> WeightDataset:
    """Train networks by cross-entropy, many in one call, and write them to a data set as they are done.

    Networks share nothing but the work: the result for each is that of training it alone with its seed, up to
    floating-point rounding. Its initial weights are those of ``torch.manual_seed(seed); factory()``, its
    hyperparameters, its part of the data, their order and its dropout masks follow from its seed, too. Every
    ``nn.Dropout`` is given the rate and the masks of its network; running statistics are its own. A network that
    diverges stays in the data set, with False in the column ``finite``.

    Args:
        factory: Makes a fresh network on the CPU; any module that ``torch.func.vmap`` can run. Or several by name, of
            which each network gets one: then the data set has several weight spaces.
        data: ``(x, y)`` or ``(x, y, x_test, y_test)``: floating inputs ``[N, ...]`` and classes ``[N]``. The networks
            are of the dtype of the inputs.
        folder: Of the data set. The same call, after an interruption at any moment, goes on there.
        count: Number of networks.
        hyperparameters: What those of each network are drawn from; None for ``Hyperparameters()``.
        seed: From which the seed of every network is drawn; or all seeds, as they stand in the column ``seed``.
        batch_size: Of each step. What is left of an epoch after the last whole batch is left out.
        checkpoints: Epochs after which networks are kept, too (0: before the first), beside the last of each.
        chunk_size: Networks trained at a time, which make one shard of the data set: what an interruption may cost.
        ray: Number of Ray tasks at a time; None for threads of this process, one a core.
        device: Where to train; None for where ``x`` is.
        progress: Whether to show a progress bar, if the work takes more than two seconds.

    Returns:
        The data set: one row for each network and each of its kept epochs. Columns: ``network``, ``seed``, ``epoch``,
        ``architecture``, the hyperparameters, ``train_loss`` and ``train_accuracy`` on the network's own part of the
        data, ``test_loss`` and ``test_accuracy``, ``finite``.

    Raises:
        WSGraphError: Data or settings out of their range, a network that cannot be traced or batched, or a folder with
            other networks.

    Example:
        >>> import tempfile, torch
        >>> from wsgraph.zoo import Constant, Hyperparameters, train_classifiers
        >>> x = torch.rand(100, 4)
        >>> few = Hyperparameters(epochs=Constant(2), fraction=Constant(1.0))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     networks = train_classifiers(
        ...         lambda: torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)),
        ...         (x, (x.sum(1) > 2).long()), folder, count=3, hyperparameters=few, checkpoints=[0],
        ...     )
        ...     networks.table["epoch"].tolist()
        [0, 2, 0, 2, 0, 2]
    """
    from wsgraph.datasets import WeightDataset, WeightWriter  # pandas, only where it is used

    factories = dict(factory) if isinstance(factory, Mapping) else {"": factory}
    tensors = ClassData.of(data, device)
    _check(tensors, factories, checkpoints, count=count, batch_size=batch_size, chunk_size=chunk_size)
    hyperparameters = hyperparameters or Hyperparameters()
    runs = plan_runs(count, seed, list(factories), hyperparameters)
    job = ClassifierJob(factories, _spaces(factories, tensors), tensors, batch_size, frozenset(checkpoints))
    settings = {
        "kind": "classifiers",
        "data": tensors.digest(),
        "architectures": {name: space.digest for name, space in job.spaces.items()},
        "initial weights": {name: _first_weights(make, runs[0], tensors) for name, make in factories.items()},
        "hyperparameters": hyperparameters.to_json(),
        "seeds": digest({"seeds": torch.tensor([run.seed for run in runs])}),
        "batch_size": batch_size,
        "checkpoints": sorted(job.checkpoints),
        "chunk_size": chunk_size,
        "device": tensors.x.device.type,
    }
    writer = WeightWriter(folder, settings=settings)
    chunks = _chunks(runs, list(factories), chunk_size)
    pending = {number: chunk for number, chunk in enumerate(chunks) if number not in writer.finished}
    place = tensors.x.device
    for number, (weights, integers, table) in run_chunks(
        job, pending, "Training classifiers", device=place, ray=ray, progress=progress
    ):
        writer.write(number, job.spaces[chunks[number][0].architecture], weights, table, integers)
    return WeightDataset(folder)


def _chunks(runs: Sequence[Run], architectures: Sequence[str], chunk_size: int) -> list[list[Run]]:
    """Networks of one architecture each, at most ``chunk_size``."""
    chunks = []
    for name in architectures:
        own = [run for run in runs if run.architecture == name]
        chunks += [own[start : start + chunk_size] for start in range(0, len(own), chunk_size)]
    return chunks


def _spaces(factories: Mapping[str, Factory], data: ClassData) -> dict[str, WeightSpace]:
    with torch_seed(0):
        return {name: trace(make().to(data.x.dtype), (data.x[:2].cpu(),)) for name, make in factories.items()}


def _first_weights(make: Factory, run: Run, data: ClassData) -> str:
    """Says whether the factory makes what it made before."""
    return digest(initial_states(make, [run], data.x.dtype))


def _check(data: ClassData, factories: Mapping[str, Factory], checkpoints: Collection[int], **counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise WSGraphError(f"Expected {name} of at least 1, but got {count}.")
    if not factories:
        raise WSGraphError("Expected a factory, or several by name, but got none.")
    if counts["batch_size"] > len(data.x):
        raise WSGraphError(f"Expected a batch_size of at most the {len(data.x)} inputs, got {counts['batch_size']}.")
    if any(epoch < 0 for epoch in checkpoints):
        raise WSGraphError(f"Expected epochs from 0 as checkpoints, but got {sorted(checkpoints)}.")
