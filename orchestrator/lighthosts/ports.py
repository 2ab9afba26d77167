"""Which loopback port stands for which port of which host?

Chosen from a hash, so that the same host gets the same port again, and kept in a registry that
previews write as well: what a preview said is what the create uses.
"""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Iterable
from typing import Any

from .errors import MachineCannot
from .locks import locked
from .places import Places
from .records import read_json, write_json

FIRST, LAST = 20000, 31999
"""Below the range from which Linux takes ports of outgoing connections (32768 on)."""

_KEPT_UNUSED = 24 * 3600.0
"""Seconds for which a preview's reservation is kept when no host follows it."""


def reserve_ports(places: Places, host: str, wanted: Iterable[int]) -> dict[int, int]:
    """The loopback port of each wanted port of a host; the same as last time if still possible.

    Other reservations of the host stay. Raises MachineCannot when all 12,000 are taken.
    """
    with locked(places.lock("ports"), keep=True):
        table = _read(places)
        ports = {port: _port_for(places, table, host, port) for port in sorted(set(wanted))}
        write_json(places.state / "ports.json", table)
    return ports


def release_ports(places: Places, host: str, *, keep: Iterable[int] = ()) -> None:
    """No port but those to keep is reserved for the host any more."""
    kept = set(keep)
    with locked(places.lock("ports"), keep=True):
        table = _read(places)
        left = {
            local: entry
            for local, entry in table.items()
            if entry["host"] != host or entry["port"] in kept
        }
        write_json(places.state / "ports.json", left)


def _port_for(places: Places, table: dict[str, Any], host: str, port: int) -> int:
    for local, entry in table.items():
        if (entry["host"], entry["port"]) == (host, port):
            if _made(places, host) or _free(int(local)):
                return int(local)
            del table[local]  # somebody else took it while the host did not exist
            break
    chosen = _probe(places, table, f"{places.state}|{host}|{port}")
    table[str(chosen)] = {"host": host, "port": port, "at": time.time()}
    return chosen


def _probe(places: Places, table: dict[str, Any], seed: str) -> int:
    size = LAST - FIRST + 1
    start = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big")
    for step in range(size):
        local = FIRST + (start + step) % size
        entry = table.get(str(local))
        if (entry is None or _stale(places, entry)) and _free(local):
            return local
    raise MachineCannot(f"no loopback port is free between {FIRST} and {LAST}")


def _stale(places: Places, entry: dict[str, Any]) -> bool:
    return not _made(places, entry["host"]) and time.time() - entry["at"] > _KEPT_UNUSED


def _made(places: Places, host: str) -> bool:
    return places.site_of(host) is not None


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _read(places: Places) -> dict[str, Any]:
    found = read_json(places.state / "ports.json")
    return found if isinstance(found, dict) else {}
