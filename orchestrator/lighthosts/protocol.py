"""What do we need of Pulumi's protocol, without loading Pulumi?

`import pulumi` takes 0.28 s of every preview and update; the messages and stubs alone half of it.
So the package is entered as a bare folder. Only the provider process may import this module: in it
nothing else of pulumi is ever loaded.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Mapping
from typing import Any


def _enter_bare(name: str) -> None:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError(f"No module named {name!r}")
    package = types.ModuleType(name)
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules[name] = package


if "pulumi" not in sys.modules:
    for _name in ("pulumi", "pulumi.runtime"):
        _enter_bare(_name)

from google.protobuf import empty_pb2, struct_pb2  # noqa: E402
from google.protobuf.json_format import MessageToDict  # noqa: E402
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc  # noqa: E402

__all__ = [
    "UNKNOWN",
    "Properties",
    "empty_pb2",
    "plugin_pb2",
    "properties_of",
    "provider_pb2",
    "provider_pb2_grpc",
    "secret",
    "struct_of",
]

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Stands for a value that is not known in a preview."""

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"

Properties = dict[str, Any]


def properties_of(message: struct_pb2.Struct) -> Properties:
    """A property map as plain values; secrets come as their values, unknowns as UNKNOWN."""
    return {key: _plain(value) for key, value in MessageToDict(message).items()}


def struct_of(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    """Plain values as a property map."""
    message = struct_pb2.Struct()
    message.update(properties)
    return message


def secret(value: str) -> dict[str, str]:
    """The value, marked so that the engine encrypts it."""
    return {_SIGNATURE: _SECRET, "value": value}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        if _SIGNATURE in value and "value" in value:
            return _plain(value["value"])
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
