"""Files with a state dict each: read as tensors alone, written whole or not at all."""

from __future__ import annotations

import io
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from wsgraph.errors import WSGraphError
from wsgraph.files import write_bytes
from wsgraph.trace.export import reason_of

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys under which training scripts store the state dict beside other things."""

ENDINGS = (".safetensors", ".pt", ".pth")
"""Of the files that are read."""

FileFormat = Literal["safetensors", "pt"]


def read_state(path: Path) -> dict[str, Tensor]:
    """The state dict in a file, on the CPU.

    Raises:
        WSGraphError: The file is missing or damaged, holds something else, or anything but tensors, which could be
            code; it is named.
    """
    if not path.is_file():
        raise WSGraphError(f"There is no file {str(path)!r}.")
    if path.suffix not in ENDINGS:
        raise WSGraphError(f"Expected a file that ends in .safetensors, .pt or .pth, got {str(path)!r}.")
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except Exception as error:
            raise WSGraphError(f"{path} cannot be read as safetensors: {error}") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols; what cannot be read raises an error
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WSGraphError(
            f"{path} is not a file of tensors alone, and anything else is not read, since it could run code. Save the "
            "state dict: torch.save(model.state_dict(), 'file.pt')."
        ) from error
    except Exception as error:
        raise WSGraphError(f"{path} cannot be read as a PyTorch file: {reason_of(error)}") from error
    return _state_dict(content, path)


def write_state(path: Path, state: Mapping[str, Tensor], file_format: FileFormat) -> None:
    """Write a state dict, whole or not at all.

    Raises:
        OSError: The file cannot be written.
    """
    own = {name: tensor.detach().cpu().clone() for name, tensor in state.items()}  # safetensors shares no memory
    if file_format == "safetensors":
        write_bytes(path, save(own))
        return
    buffer = io.BytesIO()
    torch.save(own, buffer)
    write_bytes(path, buffer.getvalue())


def _state_dict(content: Any, path: Path) -> dict[str, Tensor]:
    inner = [content[key] for key in WRAPPERS if isinstance(content, Mapping) and isinstance(content.get(key), Mapping)]
    state = inner[0] if inner else content
    if not isinstance(state, Mapping):
        raise WSGraphError(f"Expected a state dict (names and tensors) in {path}, found {type(state).__name__}.")
    if not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()):
        keys = ", ".join(map(str, list(state)[:10]))
        raise WSGraphError(f"Expected a state dict (names and tensors) in {path}, found a dictionary with {keys}.")
    return dict(state)
