"""Which hosts does a playbook get, and what is said about each?

The environment's own hosts.yaml always, then each entry of `inventory:` in its order: a path of
the project (static file, dynamic script, plugin configuration) or an inventory value. The folder
is never passed: Ansible would read environment.yaml in it as an inventory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from orchestrator.ansible.own_files import listed_plainly
from orchestrator.ansible.unsafe import as_data, write_private, written
from orchestrator.model.definitions import AnsibleSpec
from orchestrator.model.errors import DefinitionError
from orchestrator.model.inventory import inventory_problems
from orchestrator.model.positions import Problem
from orchestrator.model.values import revealed
from orchestrator.model.work import Work

SSH_PORT = 22
_IMPLIED = ("all", "ungrouped")  # groups Ansible makes itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A host of an inventory value."""

    name: str
    address: str
    port: int = SSH_PORT
    user: str = ""
    key: str = ""  # "ssh-ed25519 AAAA…", or empty


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What stands behind `-i`."""

    sources: tuple[Path, ...]  # in order; never empty
    hosts: tuple[Host, ...]  # of inventory values, each name once; a later one wins
    listed: Mapping[str, Any] | None  # as `ansible-inventory` would; None where it must be asked


def inventory_of(work: Work, spec: AnsibleSpec, folder: Path) -> Inventory:
    """The sources of a stage; inventory values are written below `folder`.

    Raises DefinitionError naming every entry that is wrong, before anything was started.
    """
    own = work.inventories / "hosts.yaml"
    has_own = own.is_file() and not _says_nothing(own)
    sources = [own] if has_own else []
    problems: list[str] = []
    hosts: dict[str, Host] = {}
    for number, entry in enumerate(spec.inventory, start=1):
        value = revealed(entry)  # type: ignore[arg-type]  # resolved: a Value by now
        if isinstance(value, str):
            found = _path_of(work, value, problems)
            sources += [found] if found and found not in sources else []
        elif reasons := _wrong(value):
            problems += [f"inventory entry {number} is no inventory: {r}" for r in reasons]
        else:
            assert isinstance(value, dict)
            sources.append(write_inventory(value, folder / f"values-{number}.yaml"))
            hosts.update((host.name, host) for host in hosts_of(value))
    if problems:
        raise DefinitionError(Problem(message=f"stage '{work.stage}': {p}") for p in problems)
    if not has_own:
        _lend_group_vars(work, folder)
    if not sources:  # without any -i Ansible would read /etc/ansible/hosts
        sources.append(write_private(folder / "none.yaml", "all: {}\n"))
    only = all(source == own or source.parent == folder for source in sources)
    return Inventory(
        sources=tuple(sources),
        hosts=tuple(hosts.values()),
        listed=_listed(work, hosts.values()) if only else None,
    )


def write_inventory(value: Mapping[str, Any], path: Path) -> Path:
    """An inventory value as a YAML file in which everything from outside is `!unsafe`."""
    groups: dict[str, dict[str, Any]] = {}
    for name, host in value["hosts"].items():
        for group in host.get("groups", []):
            if group not in _IMPLIED:
                groups.setdefault(group, {"hosts": {}})["hosts"][name] = {}
    hosts = {name: _variables(host) for name, host in value["hosts"].items()}
    return write_private(path, written({"all": {"hosts": hosts, "children": groups}}))


def hosts_of(value: Mapping[str, Any]) -> Iterator[Host]:
    """The hosts of a valid inventory value, in its order."""
    for name, host in value["hosts"].items():
        yield Host(
            name=name,
            address=host["address"],
            port=host.get("port", SSH_PORT),
            user=host.get("user", ""),
            key=host.get("host_key") or "",
        )


def _variables(host: Mapping[str, Any]) -> dict[Any, Any]:
    """The connection from the typed fields, whose alphabets have no template; the rest is data.

    As plain text, for ansible-inventory shows what is `!unsafe` in another form.
    """
    variables: dict[Any, Any] = dict(as_data(dict(host.get("vars", {}))))
    variables["ansible_host"] = host["address"]
    if "port" in host:
        variables["ansible_port"] = host["port"]
    if "user" in host:
        variables["ansible_user"] = host["user"]
    return variables


def _wrong(value: Any) -> Sequence[str]:
    if not isinstance(value, Mapping):
        return ("it must be a path or {hosts: {name: {address: …}}}",)
    return inventory_problems(value)


def _path_of(work: Work, text: str, problems: list[str]) -> Path | None:
    """The file or folder of the project that a path names; else None, and why in `problems`."""
    path = Path(text)
    if path.is_absolute() or ".." in path.parts or not text or "," in text:
        problems.append(f"inventory '{text}' must be a path inside the project")
        return None
    found = next((p for p in _places(work, path) if p.exists()), None)
    if found is None:
        problems.append(f"inventory '{text}' does not exist in the project")
    elif (found / "environment.yaml").exists():
        problems.append(
            f"inventory '{text}' is an environment's folder, and Ansible would read its "
            "environment.yaml as hosts: leave it out, its hosts.yaml is always there"
        )
    else:
        return found
    return None


def _places(work: Work, path: Path) -> Iterator[Path]:
    """A release holds no inventories/: those lie in the environment's own folder."""
    yield work.project / path
    if path.parts[:2] == ("inventories", work.inventories.name):
        yield work.inventories.joinpath(*path.parts[2:])


def _says_nothing(path: Path) -> bool:
    """Empty or comments alone, which Ansible would refuse. Broken YAML is Ansible's to explain."""
    try:
        node = yaml.compose(path.read_text("utf-8", "replace"), Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return False
    return node is None or (isinstance(node, yaml.ScalarNode) and not node.value)


def _lend_group_vars(work: Work, folder: Path) -> None:
    """group_vars and host_vars load from beside a source: without a hosts.yaml, beside ours."""
    for name in ("group_vars", "host_vars"):
        if (work.inventories / name).is_dir():
            (folder / name).symlink_to(work.inventories / name)


def _listed(work: Work, hosts: Iterable[Host]) -> Mapping[str, Any] | None:
    """The environment's own hosts, and those of values over them."""
    listed = listed_plainly(work.inventories)
    if listed is None or any(host.name in listed for host in hosts):
        return None
    listed |= {h.name: {"ansible_host": h.address, "ansible_port": h.port} for h in hosts}
    return {"_meta": {"hostvars": listed}, "all": {"hosts": list(listed)}}
