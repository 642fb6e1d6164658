"""Files that are whole or absent: written beside their place, flushed to the disk, and moved there in one step."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from wsgraph.errors import WSGraphError

CHUNK = 2**22


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that, whenever the process dies, the path holds the old file or the new one.

    Args:
        path: The file; missing parent folders are made.
        data: All that it holds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write one safetensors file, whole or not at all.

    Args:
        path: The file; missing parent folders are made.
        tensors: By name, on any device.
        metadata: Text by name.
    """
    write_bytes(path, save({name: tensor.contiguous() for name, tensor in tensors.items()}, dict(metadata)))


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


def sha256(path: Path) -> str:
    """The SHA-256 of a file."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(CHUNK):
            total.update(part)
    return total.hexdigest()
