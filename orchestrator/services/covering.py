"""Which stack or hosts would a stage change? Nobody else may change them at the same time.

As far as it is known without asking a tool: values of inventory outputs, and static YAML. Dynamic
inventories and host patterns with wildcards are not looked into.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.files.static_hosts import SSH, StaticHost, names_in, static_hosts
from orchestrator.model.definitions import AnsibleSpec, PulumiSpec
from orchestrator.model.runs import Covered
from orchestrator.model.work import Work
from orchestrator.services.programs import program_name


def covered_by(work: Work) -> tuple[Covered, ...]:
    """In order, each once."""
    spec = work.spec
    if isinstance(spec, PulumiSpec) and work.stack is not None:
        program = program_name(work.project / spec.project) or spec.project
        name = f"{program} {work.stack.name}"
        return (Covered(f"stack {work.stack.backend} {name}", name),)
    if isinstance(spec, AnsibleSpec):
        return tuple(sorted(set(_hosts(work, spec))))
    return ()


def _hosts(work: Work, spec: AnsibleSpec) -> Iterator[Covered]:
    wanted = frozenset(work.only_hosts) or names_in(spec.limit) or frozenset()
    for host in _all_hosts(work, spec):
        if host.is_among(wanted) and not host.is_here:
            where = f"{host.address}:{host.port}"
            yield Covered(f"host {where}", f"{host.name} ({where})")


def _all_hosts(work: Work, spec: AnsibleSpec) -> Iterator[StaticHost]:
    yield from static_hosts(work.inventories / "hosts.yaml")
    for entry in spec.inventory:
        if isinstance(entry, Mapping):
            yield from _of_value(entry)
        elif isinstance(entry, str) and entry.endswith((".yaml", ".yml")):
            yield from static_hosts(work.project / entry)


def _of_value(value: Mapping[str, Any]) -> Iterator[StaticHost]:
    for name, host in value.get("hosts", {}).items():
        yield StaticHost(
            name=name,
            groups=frozenset(str(group) for group in host.get("groups", ())),
            address=str(host["address"]),
            port=int(host.get("port", SSH)),
        )
