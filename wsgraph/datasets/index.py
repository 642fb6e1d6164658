"""The index of a data set folder: which shards there are, of which weight spaces, made with which settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from wsgraph.errors import WSGraphError
from wsgraph.files import write_bytes
from wsgraph.space import WeightSpace

FORMAT = "wsgraph.WeightDataset 2"
INDEX, SPACES = "dataset.json", "spaces"
DTYPES = ("float32", "float64", "float16", "bfloat16")


@dataclass(frozen=True)
class Entry:
    """One finished shard.

    Attributes:
        space: The number of its weight space.
        rows: How many networks it holds.
        dtype: Of their weights, one of ``DTYPES``.
        weights_sha256: The SHA-256 of its weights file.
        table_sha256: The SHA-256 of its table.
    """

    space: int
    rows: int
    dtype: str
    weights_sha256: str
    table_sha256: str


@dataclass
class Index:
    """What ``dataset.json`` and the files in ``spaces/`` say. A shard that is not in them does not exist.

    Attributes:
        folder: The data set.
        settings: Everything that the networks depend on, as JSON.
        spaces: The weight spaces.
        shards: The finished shards by number.
    """

    folder: Path
    settings: dict[str, Any]
    spaces: list[WeightSpace] = field(default_factory=list)
    shards: dict[int, Entry] = field(default_factory=dict)

    def weights_path(self, number: int) -> Path:
        """The file with the weights of a shard."""
        return self.folder / "weights" / f"{number:05d}.safetensors"

    def table_path(self, number: int) -> Path:
        """The file with the metadata of a shard."""
        return self.folder / "table" / f"{number:05d}.parquet"

    def space_number(self, space: WeightSpace) -> int:
        """The number of a weight space, which gets a file if it is new.

        Raises:
            OSError: The file cannot be written.
        """
        if space not in self.spaces:
            write_bytes(_space_path(self.folder, len(self.spaces)), space.to_json().encode())
            self.spaces.append(space)
        return self.spaces.index(space)

    def save(self) -> None:
        """Replace ``dataset.json`` in one step.

        Raises:
            OSError: It cannot be written.
        """
        content = {
            "format": FORMAT,
            "settings": self.settings,
            "spaces": [space.digest for space in self.spaces],
            "shards": {str(number): asdict(self.shards[number]) for number in sorted(self.shards)},
        }
        write_bytes(self.folder / INDEX, json.dumps(content, indent=1).encode())

    @classmethod
    def load(cls, folder: Path) -> Index:
        """Read the index of a data set.

        Raises:
            WSGraphError: The folder holds none, or one that is damaged or of another version.
        """
        if not (folder / INDEX).is_file():
            raise WSGraphError(
                f"There is no data set in {str(folder)!r}: expected a folder with a {INDEX}. WeightWriter and "
                "import_states make one."
            )
        content = _read_json(folder / INDEX)
        found = content.get("format") if isinstance(content, Mapping) else None
        if found != FORMAT:
            raise WSGraphError(f"Expected the format {FORMAT!r} in {folder / INDEX}, found {found!r}.")
        try:
            settings, digests = dict(content["settings"]), list(content["spaces"])
            shards = {
                int(number): _checked(Entry(**entry), len(digests)) for number, entry in content["shards"].items()
            }
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise WSGraphError(f"{folder / INDEX} is damaged: {error!r}. Restore it, or make the set anew.") from error
        return cls(
            folder,
            settings,
            [_read_space(folder, *named) for named in enumerate(digests)],
            dict(sorted(shards.items())),
        )


def _checked(entry: Entry, num_spaces: int) -> Entry:
    if entry.space not in range(num_spaces) or entry.dtype not in DTYPES or entry.rows < 1:
        raise ValueError(f"no shard can be {entry}")
    return entry


def _space_path(folder: Path, number: int) -> Path:
    return folder / SPACES / f"{number:05d}.json"


def _read_space(folder: Path, number: int, digest: str) -> WeightSpace:
    """The weight space of a number. A file that the index does not name is a leftover, which a writer replaces."""
    path = _space_path(folder, number)
    if not path.is_file():
        raise WSGraphError(f"The file {path} is missing; without its weight space the data set cannot be read.")
    space = WeightSpace.from_json(path.read_bytes().decode(errors="replace"))
    if space.digest != digest:
        raise WSGraphError(f"{path} does not hold the weight space that {INDEX} names: they are of two data sets.")
    return space


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise WSGraphError(f"{path} is no JSON: {error}. Restore it, or make the data set anew.") from error
