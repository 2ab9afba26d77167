"""How is a host reached from outside its site? (A program of its own; standard library only.)

    python -I -S -B forwarder.py SITE_PID CGROUP       in the site's folder

Joins the site's network namespace, then takes listening sockets of the machine's own namespace
over `forward.sock` and carries what they accept to hosts of the site. So nothing outside loopback
is ever dialled from the machine's namespace. Requests are one JSON object per datagram:
{"do": "set", "host", "address", "ports": [all], "new": [those whose sockets come along]},
{"do": "withdraw", "host"}, {"do": "list"}; the answer is {host: [ports]}.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_CONNECT_WITHIN = 5.0
_BLOCK = 1 << 16

Servers = dict[str, dict[int, asyncio.Server]]


def main(site_pid: str, cgroup: str) -> None:
    """Serve until killed."""
    Path(cgroup, "cgroup.procs").write_text("0")
    _enter_network(site_pid)
    asyncio.run(_serve())


def _enter_network(pid: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/proc/{pid}/ns/net", "rb") as namespace:
        if libc.setns(namespace.fileno(), _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot join the network of process {pid}")


async def _serve() -> None:
    servers: Servers = {}
    with suppress(FileNotFoundError):
        os.unlink("forward.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as control:
        control.bind("forward.sock")
        os.chmod("forward.sock", 0o600)
        control.listen(64)
        control.setblocking(False)
        loop = asyncio.get_running_loop()
        while True:
            asked, _ = await loop.sock_accept(control)
            with asked, suppress(OSError):
                asked.settimeout(2)
                await _answer(asked, servers)


async def _answer(asked: socket.socket, servers: Servers) -> None:
    text, fds, _, _ = socket.recv_fds(asked, _BLOCK, 64)
    if not text:
        return
    request = json.loads(text)
    if request["do"] == "set":
        await _set(request, fds, servers)
    elif request["do"] == "withdraw":
        for server in servers.pop(request["host"], {}).values():
            server.close()
    asked.send(json.dumps({host: sorted(ports) for host, ports in servers.items()}).encode())


async def _set(request: dict[str, object], fds: list[int], servers: Servers) -> None:
    host, address = str(request["host"]), str(request["address"])
    ports, new = request["ports"], request["new"]
    assert isinstance(ports, list)
    assert isinstance(new, list)
    mine = servers.setdefault(host, {})
    for port in [port for port in mine if port not in ports or port in new]:
        mine.pop(port).close()
    for port, fd in zip(new, fds, strict=True):
        mine[port] = await asyncio.start_server(
            _carrier(address, port), sock=socket.socket(fileno=fd)
        )


def _carrier(address: str, port: int):  # type: ignore[no-untyped-def]  # asyncio's callback type
    async def carry(near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        try:
            far_in, far_out = await asyncio.wait_for(
                asyncio.open_connection(address, port), _CONNECT_WITHIN
            )
        except (OSError, TimeoutError):
            near_out.transport.abort()  # a reset, as from a closed port
            return
        await asyncio.gather(_pump(near_in, far_out), _pump(far_in, near_out))
        for out in (far_out, near_out):
            out.close()

    return carry


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while block := await source.read(_BLOCK):
            sink.write(block)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()
    except OSError:
        sink.transport.abort()


if __name__ == "__main__":
    main(*sys.argv[1:])
