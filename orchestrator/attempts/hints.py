"""How does a driver learn at once that there is something new?

A datagram that says only "look again": one that is lost delays, never loses, for the driver looks
every half second anyway. Abstract names (Linux) need no file and no path length.
"""

from __future__ import annotations

import contextlib
import select
import socket
from hashlib import sha256
from pathlib import Path


def hint_name(run_folder: Path) -> str:
    """The name on which the driver of a run listens; the same for every driver of that run."""
    return "orchestrator-" + sha256(str(run_folder).encode()).hexdigest()[:32]


def hint(name: str) -> None:
    """The driver, if one listens, looks again."""
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender,
        contextlib.suppress(OSError),  # nobody listens, or its queue is full: it looks anyway
    ):
        sender.sendto(b".", f"\0{name}")


class Hints:
    """The driver's ear."""

    def __init__(self, name: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        # A driver that was killed freed the name with its socket; a living one holds the lock.
        with contextlib.suppress(OSError):
            self._socket.bind(f"\0{name}")

    def wait(self, seconds: float) -> None:
        """Returns at a hint or after so many seconds; drains what has gathered."""
        select.select([self._socket], [], [], max(seconds, 0.0))
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.recv(16)

    def close(self) -> None:
        self._socket.close()
