"""Which processes belong to a site or host, and how do all of them end?

Membership in a cgroup is inherited by every child and cannot be lost, so a kill misses nobody.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from .errors import DidNotStart


def make(folder: Path) -> None:
    """The cgroup exists, with all above it."""
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return
        except FileNotFoundError:  # the last site beside us took the common folder along
            continue


def members(folder: Path) -> list[int]:
    """All processes in a cgroup and below it, as numbers of our own namespace."""
    found: list[int] = []
    for procs in folder.rglob("cgroup.procs"):
        try:
            found += [int(line) for line in procs.read_text().split()]
        except OSError:  # the group went away while we looked
            continue
    return sorted(set(found) - {0})


def end(folder: Path, *, within: float = 10.0) -> None:
    """Kill every process of a cgroup and remove it. Nothing happens if it does not exist.

    Raises DidNotStart (nothing else fits worse) if a process cannot be killed in that many seconds.
    """
    deadline = time.monotonic() + within
    while folder.exists():
        _kill(folder)
        _remove(folder)
        if not folder.exists():
            return
        if time.monotonic() > deadline:
            raise DidNotStart(
                f"processes {members(folder)} of {folder} do not end",
                why="the kernel holds them",
                then="repeat the delete",
            )
        time.sleep(0.005)


def _kill(folder: Path) -> None:
    try:
        (folder / "cgroup.kill").write_text("1")
        return
    except OSError:  # before kernel 5.14, or already gone
        pass
    for pid in members(folder):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _remove(folder: Path) -> None:
    for parent, _, _ in os.walk(folder, topdown=False):
        try:
            os.rmdir(parent)
        except OSError:  # still populated; the caller looks again
            continue
