"""Which loopback ports lead into a site, and how are they opened and closed?"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from . import forwarder
from .errors import DidNotStart, MachineCannot
from .locks import locked
from .places import Places
from .processes import launch, log_tail
from .records import HostRecord

_BLOCK = 1 << 16
Open = Mapping[str, list[int]]
"""Host id to the ports of it that are forwarded right now."""


def ensure_forwarder(places: Places, site: str, site_pid: int) -> None:
    """The site's forwarder answers; a dead one is started anew (without any port open).

    Raises DidNotStart with the tail of its log.
    """
    with locked(places.site(site) / "forward.lock", keep=True):
        if forwarded(places, site) is not None:
            return
        cgroup = places.site_cgroup(site) / "forward"
        cgroup.mkdir(exist_ok=True)
        folder = places.site(site)
        launch(
            [sys.executable, "-I", "-S", "-B", forwarder.__file__, str(site_pid), str(cgroup)],
            log=folder / "forward.log",
            cwd=folder,
            variables={},
        )
        _wait(places, site)


def forwarded(places: Places, site: str) -> Open | None:
    """What is forwarded into the site; None if its forwarder does not answer."""
    return _ask(places, site, {"do": "list"}, [])


def publish(places: Places, record: HostRecord) -> None:
    """Exactly `record.ports` of the host are open on 127.0.0.1; open connections go on.

    Raises MachineCannot if a port is taken, DidNotStart if the forwarder does not answer.
    """
    now = forwarded(places, record.site) or {}
    new = {
        port: local for port, local in record.ports.items() if port not in now.get(record.id, [])
    }
    with _listening(new) as sockets:
        request = {
            "do": "set",
            "host": record.id,
            "address": record.address,
            "ports": sorted(record.ports),
            "new": list(new),
        }
        if _ask(places, record.site, request, sockets) is None:
            raise DidNotStart(f"the forwarder of {record.site} does not answer")


def withdraw(places: Places, site: str, host: str) -> None:
    """No port of the host is open any more; nothing to do where the forwarder is gone."""
    _ask(places, site, {"do": "withdraw", "host": host}, [])


@contextmanager
def _listening(ports: Mapping[int, int]) -> Iterator[list[int]]:
    sockets: list[socket.socket] = []
    try:
        for local in ports.values():
            sockets.append(_listen(local))
        yield [listening.fileno() for listening in sockets]
    finally:
        for listening in sockets:
            listening.close()  # the forwarder has its own copy by now


def _listen(local: int) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", local))
    except OSError as error:
        listening.close()
        raise MachineCannot(
            f"port {local} on 127.0.0.1 is taken by another process",
            why=str(error),
            then="end that process, or delete the host and make it again",
        ) from error
    listening.listen(256)
    return listening


def _ask(places: Places, site: str, request: object, fds: list[int]) -> Open | None:
    try:
        folder = os.open(places.site(site), os.O_PATH | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as control:
            control.settimeout(5)
            # By the descriptor, since a socket's path may have only 107 bytes.
            control.connect(f"/proc/self/fd/{folder}/forward.sock")
            socket.send_fds(control, [json.dumps(request).encode()], fds)
            answer = control.recv(_BLOCK)
    except OSError:
        return None
    finally:
        os.close(folder)
    return json.loads(answer) if answer else None


def _wait(places: Places, site: str) -> None:
    deadline = time.monotonic() + 10
    while forwarded(places, site) is None:
        if time.monotonic() > deadline:
            log = Path(places.site(site), "forward.log")
            raise DidNotStart(f"the forwarder of {site} did not start", why=log_tail(log))
        time.sleep(0.01)
