"""Who may touch this thing right now?"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path, *, shared: bool = False, keep: bool = False) -> Iterator[None]:
    """Hold a lock file while the block runs; waits for it. The kernel frees it if we die.

    shared: many may hold it so at once. keep: leave the (empty) file behind, for locks used by all.
    """
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            if not _is_still(fd, path):  # the one before us removed the file we waited for
                continue
            try:
                yield
            finally:
                if not keep:
                    _remove_if_ours_alone(fd, path)
            return
        finally:
            os.close(fd)


def _is_still(fd: int, path: Path) -> bool:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return False
    return (found.st_dev, found.st_ino) == (os.fstat(fd).st_dev, os.fstat(fd).st_ino)


def _remove_if_ours_alone(fd: int, path: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while others share it
    except BlockingIOError:
        return
    if _is_still(fd, path):
        path.unlink()
