"""Is it still that process, and how is one started that outlives us?"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process known by number and start (clock ticks since boot): numbers are used again."""

    pid: int
    started: int

    def alive(self) -> bool:
        """Whether it still runs; a zombie does not."""
        return started(self.pid) == self.started


def started(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None if it is gone or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may hold anything
    return None if fields[0] in "ZX" else int(fields[19])


def process(pid: int) -> Process | None:
    """The process that has this number now."""
    began = started(pid)
    return None if began is None else Process(pid=pid, started=began)


def has_ended(pid_file: Path) -> bool:
    """Whether the process that wrote its number into this file is gone; False before it did."""
    try:
        return process(int(pid_file.read_text())) is None
    except FileNotFoundError:
        return False


def children(pid: int) -> list[int]:
    """The children of a process's main thread; empty if it is gone."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def launch(argv: Sequence[str], *, log: Path, cwd: Path, variables: Mapping[str, str]) -> None:
    """Start a process of its own session that outlives us.

    It inherits no descriptor and none of our environment: an attempt ends everything that carries
    its mark, and must not end a host.
    """
    with log.open("ab") as out:
        subprocess.run(
            ["setsid", "--fork", *argv],
            cwd=cwd,
            env={"PATH": PATH, "LANG": "C.UTF-8", **variables},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            check=True,
        )


def log_tail(log: Path, *, lines: int = 5) -> str:
    """The last lines of a log in one line, for an error."""
    try:
        text = log.read_text(errors="replace")
    except FileNotFoundError:
        return ""
    return " | ".join(text.strip().splitlines()[-lines:])
