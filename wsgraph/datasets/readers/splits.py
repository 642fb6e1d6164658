"""Files that say which network is of which split."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

from wsgraph.errors import WSGraphError


def read_splits(path: str | Path, parts: int) -> dict[str, str]:
    """The split of every network in a file like ``{"train": {"path": [...]}, "val": ..., "test": ...}``.

    Args:
        path: The file. The lists may also stand alone: ``{"train": [...]}``.
        parts: How many last parts of a path name a network: the folders before them are those of another machine.

    Returns:
        The split by these parts, joined by ``/``.

    Raises:
        WSGraphError: The file is something else, or a network is in two splits.
    """
    found: dict[str, str] = {}
    for split, paths in _read(Path(path)).items():
        for text in paths:
            name = last_parts(text, parts)
            if found.setdefault(name, split) != split:
                raise WSGraphError(f"{path}: {name} is in {found[name]} and in {split}; expected one split a network.")
    return found


def last_parts(path: str | Path, parts: int) -> str:
    """The last parts of a path, joined by ``/``."""
    return "/".join(PurePosixPath(Path(path).as_posix()).parts[-parts:])


def check_present(splits: dict[str, str], present: list[str], source: Path) -> None:
    """Check that every network that a file of splits names is there.

    Raises:
        WSGraphError: One is not.
    """
    missing = splits.keys() - set(present)
    if missing:
        raise WSGraphError(
            f"The file of splits names {len(splits)} networks, of which {len(missing)} are not under {source}, such as "
            f"{min(missing)}. Extract the whole archive, or pass the splits of this one."
        )


def _read(path: Path) -> dict[str, list[str]]:
    try:
        content: Any = json.loads(path.read_text())
        lists = {str(name): part["path"] if isinstance(part, dict) else part for name, part in content.items()}
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise WSGraphError(f"Expected JSON with the paths of every split at {path}: {error!r}") from error
    for name, part in lists.items():
        if not isinstance(part, list) or not all(isinstance(text, str) for text in part):
            raise WSGraphError(f"{path}: expected a list of paths for the split {name!r}.")
    return lists
