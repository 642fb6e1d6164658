"""A data set, split and cut into batches, for Lightning."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import pandas
import torch
from lightning import LightningDataModule
from torch import Tensor

from wsgraph.datasets import WeightDataset
from wsgraph.errors import WSGraphError
from wsgraph.graph import NeuronGraph

PARTS = ("train", "val", "test")
FRACTIONS = (0.8, 0.1, 0.1)


class WeightData(LightningDataModule):
    """Training, validation and test networks of a data set.

    The parts are those of the column ``split`` (with the values train, val and test), where the table has one;
    otherwise they are drawn.

    Args:
        dataset: The networks.
        batch_size: Networks in a batch (on each device).
        by: A column; networks that agree in it (fits of one image, checkpoints of one training) lie in one part.
        columns: Numeric columns that batches get as attributes.
        categories: Further columns, and the values that they take, whose numbers batches get as attributes.
        seed: Of the parts, where they are drawn.
        order: Seed of the order of the training networks.

    Attributes:
        parts: The networks of ``"train"``, ``"val"`` and ``"test"``.

    Raises:
        WSGraphError: A part has no networks, or a column is missing or has other values.
    """

    def __init__(
        self,
        dataset: WeightDataset,
        batch_size: int = 64,
        *,
        by: str | None = None,
        columns: Sequence[str] = (),
        categories: Mapping[str, Sequence[object]] | None = None,
        seed: int = 0,
        order: int = 0,
    ) -> None:
        super().__init__()
        self.dataset, self.batch_size, self.columns, self.order = dataset, batch_size, tuple(columns), order
        self.categories = dict(categories or {})
        self.parts = _parts(dataset, by, seed)
        for name, part in self.parts.items():
            if len(part) == 0:
                raise WSGraphError(f"The {name} part of {dataset!r} has no networks; expected at least one.")

    def sample(self, count: int = 2048) -> NeuronGraph:
        """Some training networks."""
        return next(iter(self.parts["train"][:count].batches(count)))

    def train_dataloader(self) -> Passes:
        """Shuffled batches, other ones on every process."""
        return self._passes("train", shuffle=True)

    def val_dataloader(self) -> Passes:
        """Batches in order."""
        return self._passes("val")

    def test_dataloader(self) -> Passes:
        """Batches in order."""
        return self._passes("test")

    def _passes(self, name: str, shuffle: bool = False) -> Passes:
        rank, processes = (self.trainer.global_rank, self.trainer.world_size) if self.trainer is not None else (0, 1)
        part = self.parts[name]
        codes = {column: codes_of(part, column, values) for column, values in self.categories.items()}
        seed = self.order if shuffle else None
        return Passes(
            part, self.batch_size, self.columns, codes, seed=seed, rank=rank, processes=processes, epoch=self._epoch
        )

    def _epoch(self) -> int | None:
        return None if self.trainer is None else self.trainer.current_epoch

    def __repr__(self) -> str:
        sizes = ", ".join(f"{len(part):,} {name}" for name, part in self.parts.items())
        return f"WeightData({sizes}, batches of {self.batch_size})"


class Passes:
    """Passes over networks, in batches; with a seed every pass in a new order, which the seed decides.

    Of several processes each gets every n-th network; in shuffled passes, all the same number of them.

    Args:
        part: The networks.
        batch_size: Networks in a batch.
        columns: Numeric columns to attach.
        codes: Further numbers ``[n]`` to attach, by name.
        seed: Of the orders; None for the order of the data set.
        rank: Number of this process.
        processes: How many there are.
        epoch: Tells the number of the pass; passes are counted, if it tells None.
    """

    def __init__(
        self,
        part: WeightDataset,
        batch_size: int,
        columns: Sequence[str],
        codes: Mapping[str, Tensor],
        *,
        seed: int | None,
        rank: int,
        processes: int,
        epoch: Callable[[], int | None] = lambda: None,
    ) -> None:
        self.part, self.batch_size, self.columns, self.codes = part, batch_size, columns, codes
        self.seed, self.rank, self.processes, self.epoch = seed, rank, processes, epoch
        self.count = 0

    def __len__(self) -> int:
        return -(-len(self._own(torch.arange(len(self.part)))) // self.batch_size)

    def __iter__(self) -> Iterator[NeuronGraph]:
        rows = torch.arange(len(self.part))
        if self.seed is not None:
            epoch = self.epoch()
            number = self.count if epoch is None else epoch
            generator = torch.Generator().manual_seed((self.seed * 1_000_003 + number) % 2**63)
            rows = rows[torch.randperm(len(rows), generator=generator)]
            self.count += 1
        rows = self._own(rows)
        batches = self.part[rows].batches(self.batch_size, columns=self.columns)
        for batch, own in zip(batches, rows.split(self.batch_size), strict=True):
            for name, numbers in self.codes.items():
                setattr(batch, name, numbers[own])
            yield batch

    def _own(self, rows: Tensor) -> Tensor:
        if self.seed is not None and len(rows) >= self.processes:
            rows = rows[: len(rows) // self.processes * self.processes]
        return rows[self.rank :: self.processes]


def codes_of(part: WeightDataset, column: str, values: Sequence[object]) -> Tensor:
    """Which of the values each network has in a column: ``[n]``, int64.

    Raises:
        WSGraphError: There is no such column, or a network has another value.
    """
    if column not in part.table.columns:
        raise WSGraphError(f"There is no column {column!r}; the columns are {', '.join(map(repr, part.table))}.")
    codes = pandas.Categorical(part.table[column], categories=list(values)).codes
    if (codes < 0).any():
        other = part.table[column][codes < 0].iloc[0]
        raise WSGraphError(f"Column {column!r} has the value {other!r}; expected one of {list(values)}.")
    return torch.tensor(codes, dtype=torch.long)


def _parts(dataset: WeightDataset, by: str | None, seed: int) -> dict[str, WeightDataset]:
    if "split" in dataset.table.columns:
        return {name: dataset[torch.tensor((dataset.table["split"] == name).tolist())] for name in PARTS}
    views = dataset.split(FRACTIONS, by=by, generator=torch.Generator().manual_seed(seed))
    return dict(zip(PARTS, views, strict=True))
