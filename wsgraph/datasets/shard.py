"""A shard: the weights of some networks of one weight space, in a file or in memory."""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from wsgraph.errors import WSGraphError

DTYPES = {
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
    "I64": torch.int64,
}
"""The names of safetensors."""


class Shard(Protocol):
    """What a store reads from: ``weights`` ``[n, P]`` and ``integers`` ``[n, Q]``."""

    @property
    def space(self) -> int:
        """The number of the weight space."""

    @property
    def rows(self) -> int:
        """n, the number of networks."""

    def tensors(self) -> tuple[Tensor, Tensor]:
        """Weights and integers; not to be written to."""

    def close(self) -> None:
        """Let go of what the tensors hold, if it can be had again."""


@dataclass(frozen=True)
class LoadedShard:
    """A shard in memory, or on a device.

    Attributes:
        space: The number of the weight space.
        weights: ``[n, P]``.
        integers: ``[n, Q]``.
    """

    space: int
    weights: Tensor
    integers: Tensor

    @property
    def rows(self) -> int:
        """n, the number of networks."""
        return len(self.weights)

    def tensors(self) -> tuple[Tensor, Tensor]:
        """Weights and integers."""
        return self.weights, self.integers

    def close(self) -> None:
        """Nothing can be let go."""


class MappedShard:
    """A shard in a safetensors file, mapped into memory on the first read and checked then.

    Args:
        path: The file.
        space: The number of the weight space.
        dtype: Of the weights.
        shape: n and P.
        num_integers: Q.
    """

    def __init__(self, path: Path, space: int, dtype: torch.dtype, shape: tuple[int, int], num_integers: int) -> None:
        self.path, self.space, self.dtype, self.shape, self.num_integers = path, space, dtype, shape, num_integers
        self._tensors: tuple[Tensor, Tensor] | None = None
        self._places: tuple[slice, slice] | None = None

    @property
    def rows(self) -> int:
        """n, the number of networks."""
        return self.shape[0]

    def tensors(self) -> tuple[Tensor, Tensor]:
        """Weights and integers, views of the file.

        Raises:
            WSGraphError: The file is missing, cut short, or holds other tensors than the index says.
        """
        if self._tensors is None:
            self._tensors = self._map()
        return self._tensors

    def close(self) -> None:
        """Unmap the file, as soon as nobody holds a view of it."""
        self._tensors = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_tensors": None}  # another process maps the file for itself

    def _map(self) -> tuple[Tensor, Tensor]:
        if self._places is None:
            self._places = self._checked_places()
        first, second = self._places
        data = torch.from_file(str(self.path), shared=False, size=max(first.stop, second.stop), dtype=torch.uint8)
        weights, integers = (_aligned(data[place], size) for place, size in ((first, self.dtype.itemsize), (second, 8)))
        return weights.view(self.dtype).view(self.shape), integers.view(torch.int64).view(self.rows, self.num_integers)

    def _checked_places(self) -> tuple[slice, slice]:
        """Where the bytes of weights and integers lie in the file."""
        header, start = read_header(self.path)
        wanted = {"weights": (self.dtype, self.shape), "integers": (torch.int64, (self.rows, self.num_integers))}
        found = {name: (DTYPES.get(part["dtype"]), tuple(part["shape"])) for name, part in header.items()}
        if found != wanted:
            raise WSGraphError(
                f"{self.path} does not fit its data set: expected {_described(wanted)}, found {_described(found)}. "
                "The file is of another data set or weight space; restore it, or write its shard again."
            )
        first, second = (header[name]["data_offsets"] for name in ("weights", "integers"))
        return slice(start + first[0], start + first[1]), slice(start + second[0], start + second[1])


def read_header(path: Path) -> tuple[dict[str, Any], int]:
    """What a safetensors file says of its tensors, and where their bytes begin.

    Raises:
        WSGraphError: The file is missing, is no safetensors file, or has another size than its header says.
    """
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            size = os.fstat(file.fileno()).st_size
            header = json.loads(file.read(min(length, size)))
        header.pop("__metadata__", None)
        end = 8 + length + max((part["data_offsets"][1] for part in header.values()), default=0)
    except FileNotFoundError as error:
        raise WSGraphError(f"The file {path} is missing; restore it, or write its shard again.") from error
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WSGraphError(f"{path} is cut short or no safetensors file; write its shard again.") from error
    if size != end:
        raise WSGraphError(f"{path} is damaged: {size:,} bytes in place of {end:,}. Restore it, or write it again.")
    return header, 8 + length


def _aligned(raw: Tensor, size: int) -> Tensor:
    """Bytes that can be seen as elements of this size."""
    return raw if raw.storage_offset() % size == 0 else raw.clone()


def _described(tensors: dict[str, Any]) -> str:
    return ", ".join(f"{name} {list(shape)} {dtype}" for name, (dtype, shape) in sorted(tensors.items())) or "nothing"
