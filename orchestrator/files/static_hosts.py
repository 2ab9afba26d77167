"""Which hosts does a static YAML inventory name, and where are they? Read without Ansible.

As far as it is plain: what only a template or a plugin knows is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.files.plain_yaml import plain_yaml
from orchestrator.model.errors import DefinitionError

SSH = 22
_HERE = ("localhost", "127.0.0.1", "::1")
_WILD = set("*?[~!&{")  # what makes a pattern more than a list of names
_EVERY = {"all", "*"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticHost:
    """A host, the groups it is in, and where SSH finds it."""

    name: str
    groups: frozenset[str]
    address: str
    port: int

    @property
    def is_here(self) -> bool:
        """Whether it is this very machine, which every environment may use."""
        return self.address in _HERE and self.port == SSH

    def is_among(self, names: frozenset[str]) -> bool:
        """Whether a list of hosts and groups means it; an empty one means all."""
        return not names or self.name in names or bool(names & self.groups)


def static_hosts(path: Path) -> tuple[StaticHost, ...]:
    """Each once, by name; none of a file that cannot be read here, vaulted say."""
    try:
        data = plain_yaml(path) if path.is_file() else None
    except DefinitionError:
        return ()
    found: dict[str, _Found] = {}
    for name, body in _items(data):
        _of_group((str(name),), body, {}, found)
    return tuple(host for name in sorted(found) if (host := _host(name, found[name])) is not None)


def names_in(pattern: object) -> frozenset[str] | None:
    """The hosts and groups that a plain list names; empty: all. None: only Ansible can tell."""
    if isinstance(pattern, list):
        pattern = ",".join(map(str, pattern))
    if not isinstance(pattern, str):
        return None
    names = {name.strip() for name in pattern.replace(":", ",").split(",")} - {""}
    if any(_WILD & set(name) for name in names - _EVERY):
        return None
    return frozenset() if names & _EVERY else frozenset(names)


@dataclass(slots=True)
class _Found:
    """What a file says of a host, in all places where it stands."""

    groups: set[str] = field(default_factory=set)
    of_groups: dict[str, Any] = field(default_factory=dict)  # variables; those of inner ones win
    own: dict[str, Any] = field(default_factory=dict)


def _of_group(
    above: tuple[str, ...], body: Any, variables: Mapping[str, Any], found: dict[str, _Found]
) -> None:
    if not isinstance(body, Mapping):
        return
    variables = {**variables, **dict(_items(body.get("vars")))}
    for name, own in _items(body.get("hosts")):
        host = found.setdefault(str(name), _Found())
        host.groups.update(above)
        host.of_groups.update(variables)
        host.own.update(_items(own))
    for name, below in _items(body.get("children")):
        _of_group((*above, str(name)), below, variables, found)


def _host(name: str, found: _Found) -> StaticHost | None:
    given = {**found.of_groups, **found.own}
    address, port = str(given.get("ansible_host", name)), str(given.get("ansible_port", SSH))
    if given.get("ansible_connection") == "local" or "{{" in address or not port.isdigit():
        return None
    return StaticHost(name=name, groups=frozenset(found.groups), address=address, port=int(port))


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()
