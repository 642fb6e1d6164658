"""Files that are whole or absent, and a folder of them from which a long computation resumes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from wsgraph.errors import WSGraphError


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write one safetensors file so that, whenever the process dies, the path holds the old file or the new one.

    The bytes go to a temporary neighbour, are flushed to the disk, and take the name in one step.

    Args:
        path: The file; missing parent folders are made.
        tensors: By name, on any device.
        metadata: Text by name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(save({name: tensor.contiguous() for name, tensor in tensors.items()}, dict(metadata)))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors, on the CPU, and the metadata of a safetensors file.

    Raises:
        WSGraphError: The file is not a safetensors file.
        FileNotFoundError: There is no file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except SafetensorError as error:
        raise WSGraphError(f"Expected a safetensors file at {path}: {error}") from error


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
