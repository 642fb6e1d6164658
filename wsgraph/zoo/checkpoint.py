"""A folder of finished parts, from which a long computation resumes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from wsgraph.errors import WSGraphError
from wsgraph.files import read_tensors, write_tensors


def digest(tensors: Mapping[str, Tensor]) -> str:
    """The SHA-256 of tensors: their names, dtypes, shapes and values."""
    total = hashlib.sha256()
    for name, tensor in tensors.items():
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.cpu().contiguous().numpy().data)
    return total.hexdigest()


class Checkpoint:
    """The finished chunks of one call, in a folder: ``chunk-00000.safetensors``, ``chunk-00001.safetensors``, ...

    A chunk is written whole or not at all, so a process may be killed at any moment; the chunk it was working on
    is computed again. Each file carries the identity of the call, and a folder of another call is refused.

    Args:
        folder: Made when the first chunk is saved; None to keep chunks in memory only.
        identity: Everything that the result depends on, as text by name.

    Attributes:
        finished: The chunks by number.

    Raises:
        WSGraphError: The path is a file, or the folder holds a chunk of another call.
    """

    def __init__(self, folder: str | os.PathLike[str] | None, identity: Mapping[str, str]) -> None:
        self.folder = None if folder is None else Path(folder)
        self.identity = dict(identity)
        self.finished = {} if self.folder is None else self._read_folder(self.folder)

    def save(self, number: int, tensors: dict[str, Tensor]) -> None:
        """Keep a finished chunk."""
        self.finished[number] = tensors
        if self.folder is not None:
            write_tensors(self.folder / f"chunk-{number:05d}.safetensors", tensors, self.identity)

    def _read_folder(self, folder: Path) -> dict[int, dict[str, Tensor]]:
        if folder.exists() and not folder.is_dir():
            raise WSGraphError(f"Expected a folder as checkpoint, but {folder} is a file; choose another path.")
        return {int(path.stem.removeprefix("chunk-")): self._read(path) for path in folder.glob("chunk-*.safetensors")}

    def _read(self, path: Path) -> dict[str, Tensor]:
        tensors, found = read_tensors(path)
        different = sorted(key for key in self.identity | found if self.identity.get(key) != found.get(key))
        if different:
            raise WSGraphError(
                f"The checkpoint {path.parent} belongs to another call, with different {', '.join(different)}. "
                "Repeat the call that began it, choose another folder, or delete this one to start again."
            )
        return tensors
