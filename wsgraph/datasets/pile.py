"""State dicts from files, flat and checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from wsgraph.datasets.state_files import read_state
from wsgraph.errors import WSGraphError
from wsgraph.space import WeightSpace


class Pile:
    """The networks of a shard, one upon the other, and what was bad.

    Args:
        space: Their weight space.
        dtype: Of their weights; None for that of the first one.
        source: The folder of their files.
        skip_bad: Whether a bad file is noted, or an error.

    Attributes:
        weights: ``[P]`` of each good file.
        integers: ``[Q]`` of each good file.
        bad: What is wrong with the others, by name.
    """

    def __init__(self, space: WeightSpace, dtype: torch.dtype | None, source: Path, skip_bad: bool) -> None:
        self.space, self.dtype, self.source, self.skip_bad = space, dtype, source, skip_bad
        self.weights: list[Tensor] = []
        self.integers: list[Tensor] = []
        self.bad: dict[str, str] = {}

    def add(self, name: str) -> bool:
        """Read a file; False if it is bad and may be skipped."""
        try:
            weights, integers = self._flat(self.source / name)
        except WSGraphError as error:
            if not self.skip_bad:
                raise
            self.bad[name] = str(error)
            return False
        self.weights.append(weights)
        self.integers.append(integers)
        return True

    def _flat(self, path: Path) -> tuple[Tensor, Tensor]:
        state = _with_tied(read_state(path), self.space)
        try:
            weights, integers = self.space.flatten(state)
        except WSGraphError as error:
            raise WSGraphError(f"{path}: {error}") from error
        if weights.dim() != 1:
            raise WSGraphError(f"{path}: expected the state dict of one network, got a stack of {len(weights)}.")
        if self.dtype not in (None, weights.dtype):
            raise WSGraphError(f"{path}: expected {self.dtype}, as in the files before it, got {weights.dtype}.")
        self.dtype = weights.dtype
        return weights, integers


def _with_tied(state: Mapping[str, Tensor], space: WeightSpace) -> dict[str, Tensor]:
    """Tensors that are tied may be stored once, under either name."""
    full = dict(state)
    for spec in space.tensors:
        if spec.same_as is not None:
            one = full.get(spec.name, full.get(spec.same_as))
            if one is not None:
                full = {spec.name: one, spec.same_as: one} | full
    return full
