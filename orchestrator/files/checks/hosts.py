"""Does every host belong to one environment? Else their leases would refuse each other's stages.

Told only where files alone make it certain: hosts of the static hosts.yaml that a playbook's own
`hosts:` and the stage's limit mean. The rest is refused before the stage (services.covering).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from orchestrator.files.collecting import INVENTORIES, Collected
from orchestrator.files.plain_yaml import plain_yaml
from orchestrator.files.static_hosts import StaticHost, names_in, static_hosts
from orchestrator.model.definitions import AnsibleSpec, Stage
from orchestrator.model.errors import DefinitionError
from orchestrator.model.positions import Position, Problem

_ELSEWHERE = re.compile(r"ansible_(host|port|connection)\b")


def host_problems(collected: Collected, root: Path) -> Iterator[Problem]:
    """Hosts that stages of two environments change, each once."""
    stages = [s for p in collected.pipelines.values() for s in p.value.stages.values()]
    seen: dict[tuple[str, int], tuple[str, StaticHost]] = {}
    for environment in collected.environments:
        for host in _changed(stages, root, root / INVENTORIES / environment):
            first, other = seen.setdefault((host.address, host.port), (environment, host))
            if first != environment:
                yield _problem(root, environment, host, first, other)


def _changed(stages: list[Stage], root: Path, folder: Path) -> list[StaticHost]:
    """The hosts of an environment's own file that some stage is certain to mean."""
    hosts = [] if _said_elsewhere(folder) else static_hosts(folder / "hosts.yaml")
    meant = [names for stage in stages for names in _meant(stage, root)]
    return [
        host
        for host in hosts
        if not host.is_here and any(all(map(host.is_among, both)) for both in meant)
    ]


def _meant(stage: Stage, root: Path) -> Iterator[tuple[frozenset[str], frozenset[str]]]:
    """Names of the limit and of a play, both of which must mean a host; for each play."""
    if not isinstance(stage.spec, AnsibleSpec):
        return
    limit = names_in(stage.spec.limit)
    try:
        plays = plain_yaml(root / stage.spec.playbook)
    except DefinitionError:
        return  # its own tool says so
    for play in plays if limit is not None and isinstance(plays, list) else ():
        names = names_in(play.get("hosts")) if isinstance(play, dict) else None
        if limit is not None and names is not None:
            yield limit, names


def _said_elsewhere(folder: Path) -> bool:
    """Whether group_vars or host_vars say where hosts are: Ansible's own rules decide then."""
    for kind in ("group_vars", "host_vars"):
        for path in (folder / kind).rglob("*"):
            if path.is_file() and _ELSEWHERE.search(path.read_text("utf-8", errors="replace")):
                return True
    return False


def _problem(
    root: Path, environment: str, host: StaticHost, first: str, other: StaticHost
) -> Problem:
    file = f"{INVENTORIES}/{environment}/hosts.yaml"
    lines = (root / file).read_text("utf-8", errors="replace").splitlines()
    key = re.compile(rf"\s*[\"']?{re.escape(host.name)}[\"']?\s*:")
    line = next((n for n, text in enumerate(lines, 1) if key.match(text)), 1)
    name = "" if other.name == host.name else f" (there '{other.name}')"
    return Problem(
        message=f"host '{host.name}' ({host.address}:{host.port}) of environment '{environment}' "
        f"is one of '{first}' as well{name}",
        position=Position(file=file, line=line, column=1),
        help="give each environment hosts of its own: their runs would change it at the same time",
    )
