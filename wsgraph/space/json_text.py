"""JSON for trees of frozen dataclasses: written from their fields, read back by their annotations."""

import enum
import json
import types
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from wsgraph.errors import SpaceError

T = TypeVar("T")


def dumps(value: Any) -> str:
    """Canonical JSON text of a dataclass: equal values give equal text."""
    return json.dumps(_encode(value), separators=(",", ":"), ensure_ascii=False)


def loads(text: str, cls: type[T]) -> T:
    """The value of class ``cls`` that :func:`dumps` wrote.

    Raises:
        SpaceError: The text is not JSON, or not of this form.
    """
    try:
        return _decode(json.loads(text), cls)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SpaceError(f"Not the JSON description of a {cls.__name__}: {error}") from error


def _encode(value: Any) -> Any:
    if is_dataclass(value):
        return {f.name: _encode(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, range):
        return {"range": [value.start, value.stop, value.step]}
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, tuple | list):
        return [_encode(v) for v in value]
    return value


def _decode(data: Any, kind: Any) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _decode_union(data, arguments)
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        unknown = [name for name in data if name not in hints]
        if unknown:
            raise TypeError(f"a {kind.__name__} has no field {unknown[0]!r}")
        return kind(**{name: _decode(value, hints[name]) for name, value in data.items()})
    if kind is range:
        return range(*data["range"])
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind[data]
    if isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return kind(*data)
    if origin is tuple:
        if not isinstance(data, list):
            raise TypeError(f"expected a list, got {data!r}")
        return tuple(_decode(v, arguments[0]) for v in data)
    if kind is Any:
        return tuple(_decode(v, Any) for v in data) if isinstance(data, list) else data
    return _checked(data, kind)


def _decode_union(data: Any, kinds: tuple[Any, ...]) -> Any:
    if data is None and type(None) in kinds:
        return None
    for kind in kinds:
        if (kind is range) == isinstance(data, dict) or is_dataclass(kind):
            return _decode(data, kind)
    raise TypeError(f"expected one of {kinds}, got {data!r}")


def _checked(data: Any, kind: type) -> Any:
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return data
    if not isinstance(data, kind) or (kind is int and isinstance(data, bool)):
        raise TypeError(f"expected {kind.__name__}, got {data!r}")
    return data
