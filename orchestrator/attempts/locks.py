"""Who is alive? A lock that the kernel frees when its last holder dies, also by kill -9."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


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
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return cls(descriptor, path)

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
