"""Which hosts do an environment's own files name, where that can be read without Ansible?

Asking `ansible-inventory` takes half a second of each stage; most files say little.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

_PLUGIN = re.compile(r"""^\s*[{]?\s*["']?plugin["']?\s*:""", re.MULTILINE)
_GROUP = frozenset({"hosts", "children", "vars"})
_OF_CONNECTIONS = "ansible_"


class _NotPlain(Exception):
    """Only Ansible can tell."""


def listed_plainly(inventories: Path) -> dict[str, Mapping[Any, Any]] | None:
    """host -> its variables in hosts.yaml, as far as connections go.

    None where a file says more than that: a range of hosts, a vault, ansible_* variables of groups,
    which hold for hosts of other sources as well.
    """
    hosts: dict[str, Mapping[Any, Any]] = {}
    try:
        for path in _variable_files(inventories):
            _must_be_plain(_read(path))
        for body in _mapping(_read(inventories / "hosts.yaml")).values():
            for name, variables in _hosts(body):
                hosts[name] = {**hosts.get(name, {}), **variables}
    except (_NotPlain, yaml.YAMLError, OSError, UnicodeDecodeError):
        return None
    return hosts


def may_list_others(source: Path) -> bool:
    """Whether an inventory is asked anew each time: a program, a plugin's configuration, a folder
    that may hold such. Then equal files do not mean equal hosts."""
    try:
        if source.is_dir() or source.stat().st_mode & 0o111:
            return True
        return _PLUGIN.search(source.read_text("utf-8")) is not None
    except (OSError, UnicodeDecodeError):
        return True


def _variable_files(inventories: Path) -> Iterator[Path]:
    for name in ("group_vars", "host_vars"):
        yield from (path for path in (inventories / name).rglob("*") if path.is_file())


def _read(path: Path) -> Any:
    if not path.exists() and path.name == "hosts.yaml":
        return None
    return yaml.safe_load(path.read_text("utf-8"))


def _hosts(body: Any) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    group = _mapping(body)
    if not _GROUP.issuperset(group):
        raise _NotPlain
    _must_be_plain(group.get("vars"))
    for name, variables in _mapping(group.get("hosts")).items():
        if not isinstance(name, str) or "[" in name or ":" in name:
            raise _NotPlain  # a range, or a port after the name
        yield name, _mapping(variables)
    for child in _mapping(group.get("children")).values():
        yield from _hosts(child)


def _must_be_plain(variables: Any) -> None:
    if any(str(name).startswith(_OF_CONNECTIONS) for name in _mapping(variables)):
        raise _NotPlain


def _mapping(value: Any) -> Mapping[Any, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _NotPlain
    return value
