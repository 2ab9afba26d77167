"""How many CPU seconds did an act cost, by all it started? On a busy machine, truer than its wall.

By cgroups (v2, root): light hosts have their own, so what a controller costs stands apart from what
its hosts do. Without them every answer is 0.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class Meter:
    """Counts for acts that are done `inside` it."""

    def __init__(self, name: str) -> None:
        root = _cgroup2()
        self._root, self._own = root, root / f"bench-{os.getpid()}-{name}" if root else None
        with suppress(OSError):
            if self._own:
                self._own.mkdir()

    @contextmanager
    def inside(self) -> Iterator[None]:
        """What is started meanwhile is counted, and this process too."""
        self._enter(self._own)
        try:
            yield
        finally:
            self._enter(self._root)

    def controller(self) -> float:
        return _seconds(self._own) if self._own else 0.0

    def hosts(self, state: Path) -> float:
        """Of every light host that was made with LIGHTHOSTS_DIR=state."""
        mark = hashlib.sha256(str(state).encode()).hexdigest()[:8]  # as lighthosts/places.py
        return _seconds(self._root / f"lighthosts-{mark}") if self._root else 0.0

    def close(self) -> None:
        with suppress(OSError):
            if self._own:
                self._own.rmdir()

    def _enter(self, folder: Path | None) -> None:
        with suppress(OSError):
            if folder:
                (folder / "cgroup.procs").write_text(str(os.getpid()))


def _seconds(folder: Path) -> float:
    try:
        words = (folder / "cpu.stat").read_text().split()
    except OSError:
        return 0.0
    return int(words[words.index("usage_usec") + 1]) / 1e6


def _cgroup2() -> Path | None:
    for line in Path("/proc/mounts").read_text().splitlines():
        _, folder, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(folder)
    return None
