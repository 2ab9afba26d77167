"""By which keys is a host recognised?

pinned: the key the inventory value carries; for the team's own static hosts a `known_hosts` file
beside hosts.yaml, then the user's own. A host that has a pinned key is recognised by nothing else:
the lines of the other files that name its address are left out. A host no file knows is refused.
known_hosts: ssh as the user has set it up, always strict.
first_use: the key seen first, kept per environment in the store's cache, refused when it changes.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from orchestrator.ansible.inventory import SSH_PORT, Host
from orchestrator.ansible.unsafe import write_private
from orchestrator.model.definitions import HostKeys
from orchestrator.model.work import Work


def ssh_options(work: Work, policy: HostKeys, hosts: Iterable[Host], folder: Path) -> list[str]:
    """Arguments of ssh that make it recognise hosts by that policy; ssh takes the first it reads.

    `folder` is the attempt's own: its file of keys is written there.
    """
    pinned = pinned_lines(hosts)
    if policy is HostKeys.KNOWN_HOSTS:
        return ["-o", "StrictHostKeyChecking=yes"]
    own = folder / "known_hosts"
    if policy is HostKeys.FIRST_USE:
        write_private(own, "".join(pinned))
        seen = work.cache / "known_hosts" / work.run.environment
        seen.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _options("accept-new", seen, own)  # ssh writes to the first
    others = _read(work.inventories / "known_hosts") + _read(Path.home() / ".ssh/known_hosts")
    write_private(own, "".join([*pinned, *without(others, _names_of(pinned))]))
    return _options("yes", own)


def pinned_lines(hosts: Iterable[Host]) -> list[str]:
    """Lines of a known_hosts file for the hosts that carry a key."""
    return [f"{_name(host)} {' '.join(host.key.split()[:2])}\n" for host in hosts if host.key]


def without(lines: Iterable[str], names: Iterable[str]) -> Iterator[str]:
    """The lines of a known_hosts file that name none of the hosts. Hashed names are recognised."""
    wanted = tuple(names)
    for line in lines:
        fields = line.split() if not line.startswith("#") else []
        marker = bool(fields) and fields[0].startswith("@")
        patterns = fields[1 if marker else 0].split(",") if len(fields) > 1 + marker else []
        if patterns and not any(_matches(p, name) for p in patterns for name in wanted):
            yield line if line.endswith("\n") else line + "\n"


def _options(strict: str, *files: Path) -> list[str]:
    pairs = {
        "StrictHostKeyChecking": strict,
        "UserKnownHostsFile": " ".join(f'"{file}"' for file in files),
        "GlobalKnownHostsFile": "/dev/null",
        "UpdateHostKeys": "no",  # a host may not add keys of its own to our files
    }
    return [word for name, value in pairs.items() for word in ("-o", f"{name}={value}")]


def _name(host: Host) -> str:
    return host.address if host.port == SSH_PORT else f"[{host.address}]:{host.port}"


def _names_of(lines: Iterable[str]) -> list[str]:
    return [line.split()[0] for line in lines]


def _read(path: Path) -> list[str]:
    return path.read_text("utf-8", errors="replace").splitlines() if path.is_file() else []


def _matches(pattern: str, name: str) -> bool:
    """`|1|salt|hash` is HMAC-SHA1 of the name (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
    if pattern.startswith("|1|"):
        salt, _, digest = pattern[3:].partition("|")
        try:
            made = hmac.digest(base64.b64decode(salt), name.encode(), "sha1")
            return hmac.compare_digest(made, base64.b64decode(digest))
        except ValueError:
            return False
    plain = pattern.removeprefix("!")
    return plain == name or ("[" not in plain and fnmatchcase(name, plain))
