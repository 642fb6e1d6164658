"""Layers that one operator produced.

Units of one operator that lie in several neuron groups (a norm behind a concatenation) are several layers of a weight
space, ``name[0]``, ``name[1]``, ...: pictures and summaries show them as one. Layers of one group (the queries and keys
that one matrix makes) do different things and stay apart.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from wsgraph.space.parts import NeuronLayer
    from wsgraph.space.weight_space import WeightSpace

_PART = re.compile(r"(.*)\[(\d+)\]")

Path = tuple[str, ...]


class Operator(NamedTuple):
    """An operator and its layers.

    Attributes:
        name: The name of its layers, without the number of the part.
        layers: Their indices.
        module: The path of the module that it belongs to: for a layer that is named after a module with other
            operators inside, that module; for one without a path, what the operators around it have in common.
    """

    name: str
    layers: tuple[int, ...]
    module: Path

    @property
    def path(self) -> Path:
        """The module, and the name in it without the number of a call."""
        own = tuple(self.name.split("."))
        return (*self.module, "" if own == self.module else re.sub(r"_\d+$", "", own[-1]))


def calls(layer: NeuronLayer) -> list[str]:
    """What a layer computes: its operator, then its activations, with short numbers."""
    found = [str(layer.pointwise) if layer.pointwise else layer.operator, *map(str, layer.activation)]
    return [re.sub(r"\d*\.\d{4,}", lambda number: f"{float(number[0]):.4g}", call) for call in found]


def operators(space: WeightSpace) -> list[Operator]:
    """The operators of a weight space, in the order of the forward pass."""
    found: list[tuple[str, list[int]]] = []
    last = -1
    for i, layer in enumerate(space.layers):
        match = _PART.fullmatch(layer.name)
        name, part = (match[1], int(match[2])) if match else (layer.name or layer.operator, -1)
        if match and found and found[-1][0] == name and part > last:
            found[-1][1].append(i)
        else:
            found.append((name, [i]))
        last = part
    found = [piece for name, layers in found for piece in _apart(space, name, layers)]
    modules = _modules([name for name, _ in found])
    return [Operator(name, tuple(layers), module) for (name, layers), module in zip(found, modules, strict=True)]


def _apart(space: WeightSpace, name: str, layers: list[int]) -> list[tuple[str, list[int]]]:
    """The layers as they are, if two of them are of one group."""
    groups = [space.layers[i].group for i in layers]
    return [(name, layers)] if len(set(groups)) == len(groups) else [(space.layers[i].name, [i]) for i in layers]


def _modules(names: Sequence[str]) -> list[Path]:
    """The module of each operator."""
    paths = [tuple(name.split(".")) for name in names]
    holders = {path[:end] for path in paths for end in range(1, len(path))}
    own = [path if path in holders else path[:-1] for path in paths]
    before, after = _last_known(own), _last_known(own[::-1])[::-1]
    return [a or _common(b, c) for a, b, c in zip(own, before, after, strict=True)]


def _common(a: Path, b: Path) -> Path:
    """The beginning that two paths share."""
    return tuple(part for part, _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


def _last_known(modules: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for module in modules:
        found.append(module or (found[-1] if found else ()))
    return found
