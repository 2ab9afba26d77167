"""How is data written so that Ansible never takes it for a template?

Ansible templates every string it reads from YAML, keys included, and a template runs code on the
controller; a string tagged `!unsafe` stays text (reference policy-and-security, 4.1).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from orchestrator.model.values import Value, revealed


class Unsafe(str):
    """Text that came from outside."""

    __slots__ = ()


def as_data(value: Value) -> Any:
    """The value with its secrets opened and every string in it, keys as well, marked as text."""
    return _marked(revealed(value))


def written(document: Any) -> str:
    """YAML of a document in which strings made by `as_data` are tagged `!unsafe`."""
    return yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False
    )


def write_private(path: Path, text: str, *, mode: int = 0o600) -> Path:
    """A new file only its owner may read, made with that mode from the start."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return path


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # the base class's signature
        return True  # an anchor would say that two equal values are one


def _represent(dumper: yaml.SafeDumper, data: Unsafe) -> yaml.ScalarNode:
    return dumper.represent_scalar("!unsafe", str(data), style='"')


_Dumper.add_representer(Unsafe, _represent)


def _marked(value: Any) -> Any:
    if isinstance(value, str):
        return Unsafe(value)
    if isinstance(value, Mapping):
        return {Unsafe(key): _marked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_marked(item) for item in value]
    return value
