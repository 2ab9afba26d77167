"""Who is alive? A lock that the kernel frees when its last holder dies, also by kill -9."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

_PAUSES = (0.001, 0.002, 0.004, 0.008, 0.0)  # s; who only looks holds a lock for microseconds


class FileLock:
    """An flock on a file, held for as long as any process has this descriptor open.

    Proves life where a pid proves nothing: pids are used again. Not for network file systems.
    """

    def __init__(self, descriptor: int, path: Path) -> None:
        self.descriptor = descriptor
        self.path = path

    @classmethod
    def taken(cls, path: Path) -> FileLock | None:
        """The lock, or None where somebody holds it. Makes the file if need be."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        for pause in _PAUSES:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(pause)
            else:
                return cls(descriptor, path)
        os.close(descriptor)
        return None

    def close(self) -> None:
        """This process holds it no longer; inheritors still do."""
        os.close(self.descriptor)


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock. A missing file is not held."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
