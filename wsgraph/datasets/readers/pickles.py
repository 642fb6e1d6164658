"""Files of ``torch.save``, read without running anything that is written in them."""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch._utils import _rebuild_parameter, _rebuild_tensor_v2

from wsgraph.errors import WSGraphError

UNREADABLE = (RuntimeError, EOFError, OSError, KeyError, ValueError, TypeError, AttributeError, IndexError)
"""What ``torch.load`` raises, beside its ``UnpicklingError``, for files that are cut off or something else."""

KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch", "Size"): torch.Size,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
}
"""All that a file may call by its name; anything else becomes an :class:`Inert`."""


class Inert:
    """Stands for an object of a class that is not known: it keeps what the file says of it, and does nothing."""

    def __init__(self, *args: Any, **_: Any) -> None:
        self.args = args
        self.state: Any = {}

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        """Entries of unknown kinds of dictionaries are let go."""

    def append(self, value: Any) -> None:
        """Elements of unknown kinds of lists are let go."""

    def extend(self, values: Any) -> None:
        """As for :meth:`append`."""


def load_plain(path: Path) -> Any:
    """What a file of ``torch.save`` holds, on the CPU, if that is tensors and plain values.

    Raises:
        WSGraphError: There is no file, it is cut off, or it holds objects of other classes.
    """
    return _load(path, lambda: torch.load(path, map_location="cpu", weights_only=True))


def load_inert(path: Path) -> Any:
    """What a file of ``torch.save`` holds, on the CPU, with an :class:`Inert` for every object of another class.

    Raises:
        WSGraphError: There is no file, it is cut off or from before torch 1.6, or it is a program.
    """

    def load() -> Any:
        if not zipfile.is_zipfile(path):
            raise RuntimeError("not a zip archive, which torch.save writes since torch 1.6, or the end is missing.")
        with zipfile.ZipFile(path) as archive:
            if any(name.endswith("/constants.pkl") for name in archive.namelist()):
                raise RuntimeError("a TorchScript archive, which holds a program.")
        return torch.load(path, map_location="cpu", weights_only=False, pickle_module=_INERT)

    return _load(path, load)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return KNOWN.get((module, name)) or type(name, (Inert,), {})


_INERT: Any = ModuleType("inert_pickle")
_INERT.Unpickler = _Unpickler


def _load(path: Path, load: Callable[[], Any]) -> Any:
    if not path.is_file():
        raise WSGraphError(f"Expected a file at {path}, but there is none.")
    try:
        return load()
    except (pickle.UnpicklingError, *UNREADABLE) as error:
        first = str(error).split("\n", 1)[0]
        raise WSGraphError(
            f"Expected a whole file of torch.save with tensors and plain values at {path}, but reading it says: "
            f"{first} Download it anew if it is cut off; objects that need code to be read are refused, because the "
            "code could be anyone's."
        ) from error
