"""Which stack or hosts would a stage change? Nobody else may change them at the same time.

As far as it is known without asking a tool: values of inventory outputs, and static YAML. Dynamic
inventories and host patterns with wildcards are not looked into.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.files.plain_yaml import plain_yaml
from orchestrator.model.definitions import AnsibleSpec, PulumiSpec
from orchestrator.model.errors import DefinitionError
from orchestrator.model.runs import Covered
from orchestrator.model.work import Work

_SSH = 22
_HERE = ("localhost", "127.0.0.1", "::1")
_WILD = set("*?[~!&{")  # what makes a limit more than a list of names


def covered_by(work: Work) -> tuple[Covered, ...]:
    """In order, each once."""
    spec = work.spec
    if isinstance(spec, PulumiSpec) and work.stack is not None:
        name = f"{spec.project} {work.stack.name}"
        return (Covered(f"stack {work.stack.backend} {name}", name),)
    if isinstance(spec, AnsibleSpec):
        return tuple(sorted(set(_hosts(work, spec))))
    return ()


def _hosts(work: Work, spec: AnsibleSpec) -> Iterator[Covered]:
    wanted = set(work.only_hosts) or _listed(spec.limit)
    for name, groups, address, port in _all_hosts(work, spec):
        if wanted and name not in wanted and not wanted & groups:
            continue
        if address in _HERE and port == _SSH:
            continue  # this very machine, which every environment may use
        where = f"{address}:{port}"
        yield Covered(f"host {where}", f"{name} ({where})")


def _listed(limit: object) -> set[str]:
    """The names of a limit that is a plain list; empty where everything may be meant."""
    if not isinstance(limit, str) or _WILD & set(limit):
        return set()
    names = {name.strip() for name in limit.replace(":", ",").split(",")} - {""}
    return set() if "all" in names else names


_Host = tuple[str, set[str], str, int]  # name, groups, address, port


def _all_hosts(work: Work, spec: AnsibleSpec) -> Iterator[_Host]:
    yield from _of_file(work.inventories / "hosts.yaml")
    for entry in spec.inventory:
        if isinstance(entry, Mapping):
            yield from _of_value(entry)
        elif isinstance(entry, str) and entry.endswith((".yaml", ".yml")):
            yield from _of_file(work.project / entry)


def _of_value(value: Mapping[str, Any]) -> Iterator[_Host]:
    for name, host in value.get("hosts", {}).items():
        groups = {str(group) for group in host.get("groups", ())}
        yield name, groups, str(host["address"]), int(host.get("port", _SSH))


def _of_file(path: Path) -> Iterator[_Host]:
    """Of a static inventory; nothing of one that cannot be read here, vaulted say."""
    try:
        found = plain_yaml(path) if path.is_file() else None
    except DefinitionError:
        return
    if isinstance(found, Mapping):
        yield from (host for name, body in found.items() for host in _of_group({str(name)}, body))


def _of_group(above: set[str], body: Any) -> Iterator[_Host]:
    if not isinstance(body, Mapping):
        return
    for name, variables in _items(body.get("hosts")):
        given = variables if isinstance(variables, Mapping) else {}
        address, port = str(given.get("ansible_host", name)), given.get("ansible_port", _SSH)
        local = given.get("ansible_connection") == "local"
        if not local and "{{" not in f"{address}{port}" and str(port).isdigit():
            yield str(name), above, address, int(port)
    for name, below in _items(body.get("children")):
        yield from _of_group({*above, str(name)}, below)


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()
