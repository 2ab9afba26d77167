"""Do all hosts of a stage answer right now?

A connection and SSH's greeting, not `ansible -m ping`, which takes a second: it proves that the
host is there and its sshd takes connections, which is what skipping an unchanged stage asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

PATIENCE = 3.0  # seconds for connection and greeting
_HERE = ("local", "ansible.builtin.local")


def targets_of(listed: Mapping[str, Any]) -> list[tuple[str, int]] | None:
    """(address, port) of each host of `ansible-inventory --list` that is reached over the network.

    None where that cannot be told: a template, a connection that is not ssh, a way through another.
    """
    if "_meta" not in listed:  # it could not be read
        return None
    variables = listed.get("_meta", {}).get("hostvars", {})
    names = {name for body in listed.values() for name in body.get("hosts", ())}
    targets = []
    for name in sorted(names):
        own = variables.get(name, {})
        connection = own.get("ansible_connection", "local" if name == "localhost" else "ssh")
        if connection in _HERE:
            continue
        address, port = own.get("ansible_host", name), own.get("ansible_port", 22)
        plain = isinstance(address, str) and "{{" not in address and str(port).isdigit()
        if connection not in ("ssh", "smart", "ansible.builtin.ssh") or not plain:
            return None
        if any("common_args" in key or "extra_args" in key for key in own):
            return None
        targets.append((address, int(port)))
    return targets


def silent(targets: Iterable[tuple[str, int]]) -> Sequence[str]:
    """Those that did not greet within 3 s, as address:port; all are asked at once."""
    return asyncio.run(_silent(tuple(dict.fromkeys(targets))))


async def _silent(targets: tuple[tuple[str, int], ...]) -> list[str]:
    answers = await asyncio.gather(*(_greets(*target) for target in targets))
    pairs = zip(targets, answers, strict=True)
    return [f"{address}:{port}" for (address, port), answer in pairs if not answer]


async def _greets(address: str, port: int) -> bool:
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(address, port)
            try:
                return (await reader.read(4)) == b"SSH-"
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
