"""Nests of containers, dataclasses and other objects: the tensors inside, and a way back to what was inside."""

from __future__ import annotations

import copy
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor, nn


def tensors_of(value: Any) -> list[Tensor]:
    """Every tensor inside a value, in order.

    Example:
        >>> import torch
        >>> [t.item() for t in tensors_of({"a": torch.tensor(1), "b": [torch.tensor(2), "text"]})]
        [1, 2]
    """
    found: list[Tensor] = []

    def note(tensor: Tensor, name: str) -> Tensor:
        found.append(tensor)
        return tensor

    map_tensors(note, value)
    return found


def map_tensors(function: Callable[[Tensor, str], Tensor], value: Any, name: str = "") -> Any:
    """The same value with every tensor replaced by ``function(tensor, its name)``; parts without tensors are shared.

    Example:
        >>> import torch
        >>> map_tensors(lambda tensor, name: name, {"a": torch.tensor(1), "b": [torch.tensor(2), "text"]}, "x")
        {'a': 'x_a', 'b': ['x_b_0', 'text']}
    """
    return _mapped(function, value, name, frozenset())


def _mapped(function: Callable[[Tensor, str], Tensor], value: Any, name: str, outside: frozenset[int]) -> Any:
    if isinstance(value, Tensor):
        return function(value, name)
    if id(value) in outside or isinstance(value, str | bytes | type | nn.Module):
        return value
    parts = dict(_parts(value))
    inside = outside | {id(value)}
    new = {key: _mapped(function, part, f"{name}_{key}" if name else str(key), inside) for key, part in parts.items()}
    changed = {key: part for key, part in new.items() if part is not parts[key]}
    return _with_parts(value, new, changed) if changed else value


def _parts(value: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        return value.items()
    if isinstance(value, tuple | list | set | frozenset):
        return enumerate(value)
    if is_dataclass(value):
        return ((field.name, getattr(value, field.name)) for field in fields(value) if hasattr(value, field.name))
    return vars(value).items() if hasattr(value, "__dict__") and not callable(value) else ()


def _with_parts(value: Any, new: dict[Any, Any], changed: dict[Any, Any]) -> Any:
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*new.values())
    if isinstance(value, tuple | list | set | frozenset):
        return type(value)(new.values())  # type: ignore[arg-type]
    result = copy.copy(value)
    for key, part in changed.items():
        if isinstance(value, Mapping):
            result[key] = part
        else:
            object.__setattr__(result, key, part)
    return result


_MUTABLE = (dict, OrderedDict, defaultdict, list, set)


def snapshot(*values: Any) -> Callable[[], None]:
    """A function that puts the present contents back into every dictionary, list and set inside the values.

    Example:
        >>> value = {"a": [1, 2], "b": 3}
        >>> restore = snapshot(value)
        >>> value["a"].append(4)
        >>> value["c"] = 5
        >>> restore()
        >>> value
        {'a': [1, 2], 'b': 3}
    """
    before = [(container, copy.copy(container)) for container in _containers(values, set())]

    def restore() -> None:
        for container, contents in before:
            container.clear()
            container.extend(contents) if isinstance(container, list) else container.update(contents)

    return restore


def _containers(value: Any, seen: set[int]) -> Iterator[Any]:
    if type(value) not in (*_MUTABLE, tuple) or id(value) in seen:
        return
    seen.add(id(value))
    if type(value) is not tuple:
        yield value
    for part in value.values() if isinstance(value, dict) else value:
        yield from _containers(part, seen)
