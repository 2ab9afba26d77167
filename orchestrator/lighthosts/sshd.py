"""Does a host's SSH server answer?"""

from __future__ import annotations

import socket
import time
from pathlib import Path

_LISTENING = "0A"
_PORT_22 = ":0016"


def sshd_listens(holder: Path) -> bool:
    """Whether something listens on port 22 in the network namespace that a holder cgroup made.

    Asks the kernel, not the network: a connection to a host that is not there yet waits for ARP.
    """
    try:
        pids = (holder / "cgroup.procs").read_text().split()
    except OSError:
        return False
    return any(_listens(pid) for pid in pids)


def answers_ssh(port: int, *, within: float) -> bool:
    """Whether an SSH banner comes from this port of 127.0.0.1 in so many seconds."""
    deadline = time.monotonic() + within
    while True:
        if _banner(port).startswith(b"SSH-"):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)


def _listens(pid: str) -> bool:
    try:
        rows = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    except OSError:
        return False
    return any(row.split()[1].endswith(_PORT_22) and row.split()[3] == _LISTENING for row in rows)


def _banner(port: int) -> bytes:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.settimeout(1)
            return connection.recv(64)
    except OSError:
        return b""
