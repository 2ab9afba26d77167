"""What is there on this machine that belongs to one state folder?

By what it belongs to, not by before and after: other tests and people use the machine as well.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

from orchestrator.lighthosts.places import Places


def traces(
    where: Places, *, ports: Iterable[int] = (), namespaces: Iterable[str] = ()
) -> list[str]:
    """Processes, mounts, network namespaces, listening ports, cgroups and folders, one per line."""
    found = [
        f"cgroup {path}" for path in [where.cgroups, *where.cgroups.rglob("*/")] if path.exists()
    ]
    found += _processes(where)
    mounts = Path("/proc/mounts").read_text().splitlines()
    found += [f"mount {line}" for line in mounts if str(where.state) in line]
    found += [f"netns {ns}" for ns in sorted(set(namespaces) & _network_namespaces())]
    found += [f"port {port}" for port in sorted(set(ports) & _listening())]
    found += [f"folder {path}" for path in sorted(where.state.glob("sites/*"))]
    found += [f"lock {path}" for path in where.state.glob("*.lock") if path.name != "ports.lock"]
    return found


def soon_no_traces(where: Places, *, ports: Iterable[int], namespaces: Iterable[str]) -> list[str]:
    """What is still there after the kernel had up to ten seconds to clean up."""
    deadline = time.monotonic() + 10
    while (left := traces(where, ports=ports, namespaces=namespaces)) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.02)
    return left


def namespaces_of(where: Places) -> set[str]:
    """The network namespaces in which processes of this state folder live."""
    found = set()
    for line in _processes(where):
        try:
            found.add(os.readlink(f"/proc/{line.split()[1]}/ns/net"))
        except OSError:  # it ended while we looked
            continue
    return found - {os.readlink("/proc/self/ns/net")}


def _processes(where: Places) -> list[str]:
    ours, found = (str(where.state), where.cgroups.name), []
    for folder in Path("/proc").glob("[0-9]*"):
        if folder.name == str(os.getpid()):
            continue
        try:
            belongs = (folder / "cmdline").read_text(errors="replace")
            belongs += (folder / "environ").read_text(errors="replace")
            belongs += (folder / "cgroup").read_text()
            zombie = (folder / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
        except OSError:
            continue
        if not zombie and any(mark in belongs for mark in ours):
            found.append(f"process {folder.name} {belongs.split(chr(0))[0]}")
    return found


def _network_namespaces() -> set[str]:
    found = set()
    for link in Path("/proc").glob("[0-9]*/ns/net"):
        try:
            found.add(os.readlink(link))
        except OSError:
            continue
    return found


def _listening() -> set[int]:
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A"}
