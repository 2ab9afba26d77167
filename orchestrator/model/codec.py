"""How do our values become JSON and come back? For work.json, result.json and the store's bodies.

Dataclasses become objects by field name, enums their value, times ISO 8601, durations seconds,
paths text; a Secret becomes {"$sealed": …} through `seal`, a Reference {"$reference": …}. Keys of
the data's own that begin with `$` are written with a second one, so that nothing that came from
outside can pose as a secret or a reference. Fields of type Cancel are left out.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from orchestrator.model import values
from orchestrator.model.values import Json, Reference, Secret, Text, Value, revealed
from orchestrator.model.work import Cancel

T = TypeVar("T")
Seal = Callable[[Json], str]
Open = Callable[[str], Json]
_PLAIN = frozenset({str, int, float, bool})


def encode(value: Any, seal: Seal | None = None) -> Json:
    """JSON of a value. Raises ValueError where a Secret stands in it and no `seal` was given."""
    if value is None or type(value) in _PLAIN:  # nearly all leaves; what follows costs far more
        return value  # type: ignore[no-any-return]
    if isinstance(value, Secret):
        if seal is None:
            raise ValueError("a secret value cannot be written in clear")
        return {"$sealed": seal(revealed(value.value))}
    if isinstance(value, Reference):
        return {"$reference": list(value.path)}
    if isinstance(value, Text):
        return {"$text": [encode(part, seal) for part in value.parts]}
    if isinstance(value, Enum):
        return encode(value.value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Path):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        pairs = ((f.name, getattr(value, f.name)) for f in fields(value))
        return {name: encode(item, seal) for name, item in pairs if not isinstance(item, Cancel)}
    if isinstance(value, Mapping):
        return {_escaped(str(encode(key))): encode(item, seal) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [encode(item, seal) for item in value]
    if isinstance(value, str | int | float):
        return value
    raise TypeError(f"{type(value).__name__} has no JSON form")


def decode(kind: type[T], data: Json, open_: Open | None = None) -> T:
    """The value of that type that `encode` wrote. Raises ValueError or KeyError on foreign data."""
    result: T = _decode(kind, data, open_ or _closed)
    return result


def decode_value(data: Json, open_: Open | None = None) -> Value:
    """The Value (or Tree) that `encode` wrote, with its secrets opened into Secret."""
    result: Value = _decode_value(data, open_ or _closed)
    return result


def _decode_value(data: Any, open_: Open) -> Any:
    if isinstance(data, list):
        return [_decode_value(item, open_) for item in data]
    if not isinstance(data, Mapping):
        return data
    if len(data) == 1:
        ((key, inner),) = data.items()
        if key == "$sealed":
            return Secret(open_(inner))  # type: ignore[arg-type]  # Json is a Value
        if key == "$reference":
            return Reference(path=tuple(inner))
        if key == "$text":
            return Text(parts=tuple(_decode_value(part, open_) for part in inner))
    return {key.removeprefix("$"): _decode_value(item, open_) for key, item in data.items()}


def _escaped(key: str) -> str:
    return f"${key}" if key.startswith("$") else key


def _decode(kind: Any, data: Any, open_: Open) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _decode_union(get_args(kind), data, open_)
    if origin is tuple:
        inner = get_args(kind)[0]
        return tuple(_decode(inner, item, open_) for item in data)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        key, inner = get_args(kind)
        return {
            _decode(key, k.removeprefix("$"), open_): _decode(inner, item, open_)
            for k, item in data.items()
        }
    if kind is datetime:
        return datetime.fromisoformat(data)
    if kind is timedelta:
        return timedelta(seconds=data)
    if kind in (Path, bool, int, float, str):
        return kind(data)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(data)
    if isinstance(kind, type) and is_dataclass(kind) and kind is not Secret:
        hints = _hints(kind)
        return kind(**{n: _decode(hints[n], data[n], open_) for n in hints if n in data})
    return _decode_value(data, open_)


def _decode_union(kinds: tuple[Any, ...], data: Any, open_: Open) -> Any:
    """None, or the one dataclass whose fields fit; a union of plain JSON is a Value."""
    if data is None and type(None) in kinds:
        return None
    classes = [k for k in kinds if isinstance(k, type) and is_dataclass(k) and k is not Secret]
    if isinstance(data, Mapping):
        for kind in classes:
            if set(data) <= set(_hints(kind)) and not _is_value_union(kinds):
                return _decode(kind, data, open_)
    rest = [k for k in kinds if k is not type(None) and k not in classes]
    if len(rest) == 1 and not classes:
        return _decode(rest[0], data, open_)
    return _decode_value(data, open_)


def _is_value_union(kinds: tuple[Any, ...]) -> bool:
    return Secret in kinds


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    wanted = {f.name for f in fields(kind)}
    return {
        name: hint
        for name, hint in get_type_hints(kind, localns=vars(values)).items()
        if name in wanted and hint is not Cancel
    }


def _closed(_: str) -> Json:
    raise ValueError("a sealed value cannot be opened here")
