"""Networks in a folder: their weights, their metadata, and batches of them."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import torch
from torch import Tensor
from torch_geometric.data import Dataset

from wsgraph.datasets.batches import Batches
from wsgraph.datasets.check import check_files
from wsgraph.datasets.condition import matching
from wsgraph.datasets.index import Index
from wsgraph.datasets.loaded import loaded_store
from wsgraph.datasets.records import Records
from wsgraph.datasets.split import split_rows
from wsgraph.datasets.store import Store
from wsgraph.datasets.tables import as_tensor, listed
from wsgraph.errors import WSGraphError
from wsgraph.graph import NeuronGraph
from wsgraph.space import WeightSpace

Selection = slice | Sequence[int] | Sequence[bool] | Tensor | np.ndarray


class WeightDataset(Dataset):
    """Many trained networks as a PyTorch Geometric data set of neuron graphs.

    The weights stay on disk, memory-mapped, unless :meth:`loaded` brings them into memory. A selection, by slice,
    mask, indices, :meth:`where` or :meth:`split`, is a view that copies nothing. Networks of several weight spaces may
    lie in one data set, and so may one network at several times of its training: rows that a column tells apart.

    Args:
        folder: Written by :class:`WeightWriter` (``import_states`` and the functions of ``wsgraph.zoo`` use it).
        transform: Applied to every graph and to every batch that is read.

    Attributes:
        folder: Where it is.
        settings: What the networks depend on, as they were made.

    Raises:
        WSGraphError: There is no data set in the folder, or its index is damaged.

    Example:
        >>> import tempfile, torch, wsgraph
        >>> from wsgraph.datasets import WeightDataset, WeightWriter
        >>> folder, space = tempfile.mkdtemp(), wsgraph.trace(torch.nn.Linear(3, 2))
        >>> WeightWriter(folder).write(0, space, torch.randn(5, 8), {"accuracy": [0.1, 0.2, 0.3, 0.4, 0.5]})
        >>> dataset = WeightDataset(folder)
        >>> dataset[3]
        NeuronGraph(5 nodes, 6 edges, 8 weights)
        >>> good = dataset.where("accuracy > 0.25")
        >>> good.column("accuracy")
        tensor([0.3000, 0.4000, 0.5000])
        >>> [batch.accuracy.tolist() for batch in good[:2].batches(1, columns=["accuracy"])]
        [[0.30000001192092896], [0.4000000059604645]]
    """

    def __init__(
        self, folder: str | os.PathLike[str], *, transform: Callable[[NeuronGraph], NeuronGraph] | None = None
    ) -> None:
        self.folder = Path(folder)
        index = Index.load(self.folder)
        super().__init__(str(self.folder), transform)
        self.settings: dict[str, Any] = index.settings
        self._store = Store.of_folder(index)
        self._records = Records(index)
        self._rows = torch.arange(len(self._store))

    # ----------------------------------------------------------------- what PyTorch Geometric asks for

    def len(self) -> int:
        """Number of networks."""
        return len(self._rows)

    def get(self, idx: int) -> NeuronGraph:
        """The network at a position, without the transform."""
        row = self._rows[idx].view(1)
        weights, integers = self._store.read(row)
        return NeuronGraph(weights[0], self._store.spaces[int(self._store.space_numbers(row))], integers[0])

    def index_select(self, idx: Selection) -> WeightDataset:
        """The networks at these positions, in this order.

        Args:
            idx: A slice (of positions, or of fractions as in ``dataset[:0.9]``), indices, or booleans ``[n]``.

        Raises:
            IndexError: There is no such position.
        """
        return self._view(self._rows[self._positions(idx)])

    # ----------------------------------------------------------------- what the networks are

    @property
    def spaces(self) -> list[WeightSpace]:
        """The weight spaces of these networks; of an empty selection, of the whole data set."""
        numbers = self._store.space_numbers(self._rows).unique().tolist() or range(len(self._store.spaces))
        return [self._store.spaces[number] for number in numbers]

    @property
    def space_index(self) -> Tensor:
        """``[n]``: which of ``spaces`` each network has."""
        return self._store.space_numbers(self._rows).unique(return_inverse=True)[1]

    @property
    def space(self) -> WeightSpace:
        """The weight space of all networks.

        Raises:
            WSGraphError: They have several, or there are none.
        """
        spaces = self.spaces
        if len(spaces) != 1:
            raise WSGraphError(
                f"Expected networks of one weight space, but {self!r} has {len(spaces)}; select some with where()."
            )
        return spaces[0]

    @cached_property
    def table(self) -> pandas.DataFrame:
        """The metadata, one row a network, in order, with the columns that were written."""
        return self._records.frame.iloc[self._rows.numpy()].reset_index(drop=True)

    def column(self, name: str) -> Tensor:
        """A numeric column of the table ``[n]``: float32 for floating numbers, int64 for integers and booleans.

        Raises:
            WSGraphError: There is no such column, or it is no numbers.
        """
        return as_tensor(self.table, name)

    def weights(self, index: int | Selection | None = None) -> Tensor:
        """The flat weights ``[n, P]`` of networks of one weight space (``[P]`` for one index), as a copy.

        Raises:
            WSGraphError: The networks have several weight spaces.
        """
        if isinstance(index, int | np.integer):
            return self.get(int(index)).weights
        chosen = self if index is None else self.index_select(index)
        if len(chosen) == 0:
            return torch.empty(0, chosen.space.num_weights)
        _ = chosen.space
        return self._store.read(chosen._rows)[0]

    # ----------------------------------------------------------------- selections

    def where(self, condition: str) -> WeightDataset:
        """The networks whose metadata meet a condition.

        Args:
            condition: As for ``pandas.DataFrame.query``: ``"activation == 'relu' and test_accuracy > 0.4"``.

        Raises:
            WSGraphError: The condition cannot be evaluated, or is not true or false for every network.
        """
        return self._view(self._rows[matching(self.table, condition)])

    def split(
        self,
        fractions: Sequence[float] = (0.8, 0.1, 0.1),
        *,
        by: str | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[WeightDataset, ...]:
        """Random parts, each in the order of the whole.

        Args:
            fractions: Their sizes; what is missing to 1 is left out.
            by: A column; networks that agree in it stay in one part (the checkpoints of one training, the
                fits to one image).
            generator: Source of randomness; the global one if not given.

        Raises:
            WSGraphError: The fractions are not positive or exceed 1, or there is no such column.
        """
        if by is None:
            groups = torch.arange(len(self))
        elif by in self.table.columns:
            groups = torch.from_numpy(pandas.factorize(self.table[by], use_na_sentinel=False)[0])
        else:
            raise WSGraphError(f"There is no column {by!r} to split by; the columns are {listed(self.table)}.")
        return tuple(self._view(self._rows[part]) for part in split_rows(groups, fractions, generator))

    # ----------------------------------------------------------------- reading

    def batches(
        self,
        batch_size: int,
        *,
        shuffle: bool = False,
        generator: torch.Generator | None = None,
        columns: Sequence[str] = (),
        device: torch.device | str | None = None,
        drop_last: bool = False,
    ) -> Batches:
        """The networks as batches of neuron graphs, at the speed of memory.

        From disk that takes the same memory for a data set of any size: some 40 MiB in order, some 350 MiB shuffled.

        Args:
            batch_size: Networks in a batch.
            shuffle: Whether to draw a new order for every pass. Batches mix weight spaces, and sort their graphs by
                them; batches that are not shuffled keep every graph in its place.
            generator: Source of the order; the global one if not given.
            columns: Numeric columns of the table, which become attributes ``[B]`` of the batches.
            device: Where the batches go; they stay where the weights are if not given.
            drop_last: Whether to leave out a last batch that is smaller.

        Raises:
            WSGraphError: A batch size below 1; a column that is no numbers, or has the name of a part of graphs.
        """
        return Batches(
            self._store,
            self._rows,
            {name: self.column(name) for name in columns},
            batch_size=batch_size,
            shuffle=shuffle,
            generator=generator,
            device=device,
            drop_last=drop_last,
            transform=self.transform,
        )

    def loaded(self, device: torch.device | str | None = None) -> WeightDataset:
        """The same networks with their weights in memory, or on a device."""
        result = self._view(self._rows)
        result._store, order, result._rows = loaded_store(self._store, self._rows, device)
        result._records = Records.of_frame(self.table.iloc[order.numpy()])
        return result

    def check(self) -> None:
        """Compare the checksums of all files of the data set, of which this may be a view.

        Raises:
            WSGraphError: Files are missing, damaged, or not those of this data set; it names them.
        """
        check_files(Index.load(self.folder))

    def __repr__(self) -> str:
        whole = "" if len(self) == len(self._records) else f" of {len(self._records):,}"
        spaces = repr(self.spaces[0]) if len(self.spaces) == 1 else f"{len(self.spaces)} weight spaces"
        place = "on disk" if self._store.on_disk else "in memory"
        return f"WeightDataset({len(self):,}{whole} networks of {spaces}, {place}, from {str(self.folder)!r})"

    def _view(self, rows: Tensor) -> WeightDataset:
        result = copy.copy(self)
        result.__dict__.pop("table", None)
        result._rows = rows
        return result

    def _positions(self, idx: Any) -> Tensor:
        if isinstance(idx, slice):
            start, stop = (round(b * len(self)) if isinstance(b, float) else b for b in (idx.start, idx.stop))
            chosen = range(len(self))[start : stop : idx.step]
            return torch.from_numpy(np.arange(chosen.start, chosen.stop, chosen.step))
        index = idx.cpu().numpy() if isinstance(idx, Tensor) else np.asarray(idx)
        if index.shape == (0,):
            return torch.empty(0, dtype=torch.long)
        if index.dtype.kind not in "bi" or index.ndim != 1:
            raise IndexError(f"Expected a slice, integers [k] or booleans [{len(self)}] as index, got {idx!r}.")
        return torch.from_numpy(index if index.dtype == bool else index.astype(np.int64))
