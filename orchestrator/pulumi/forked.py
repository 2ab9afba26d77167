"""How is a fresh interpreter had in 50 ms? By forking a process that has imported the SDK only.

Two forks: `Forker.start` forks a small, single-threaded, secret-free process (forking a process
that runs gRPC threads does not work); each program is a fork of that one. Both die with the
process above them (PR_SET_PDEATHSIG): they were never executed, so their /proc/PID/environ carries
no mark of the attempt.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import struct
import threading
from contextlib import suppress
from typing import NoReturn

from orchestrator.pulumi.fresh import become
from orchestrator.pulumi.running import ProgramOrder, Running

_HEAD = struct.Struct("!Q")
_SET_PDEATHSIG = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>
_libc = ctypes.CDLL(None, use_errno=True)


class Forker:
    """The process that programs are forked from; used by one caller at a time."""

    def __init__(self, pid: int, door: socket.socket) -> None:
        self._pid = pid
        self._door = door
        self._lock = threading.Lock()

    @classmethod
    def start(cls) -> Forker:
        """Forks it from this process. Only from the main thread: it dies with that thread."""
        ours, theirs = socket.socketpair()
        above = os.getpid()
        pid = os.fork()
        if pid == 0:
            _serve(theirs, above)
        theirs.close()
        return cls(pid, ours)

    def run(self, order: ProgramOrder) -> Running:
        """Starts one program. Raises OSError where the forker is gone."""
        out, out_end = os.pipe()
        err, err_end = os.pipe()
        news, news_end = os.pipe()
        body = json.dumps(
            {"argv": order.argv, "env": dict(order.env), "directory": str(order.directory)}
        ).encode()
        try:
            with self._lock:
                socket.send_fds(self._door, [_HEAD.pack(len(body))], [out_end, err_end, news_end])
                self._door.sendall(body)
        finally:
            for descriptor in (out_end, err_end, news_end):
                os.close(descriptor)
        pid = int(_line(news) or 0)
        if not pid:
            raise BrokenPipeError("the process that programs are forked from is gone")
        return Running(pid=pid, stdout=out, stderr=err, ended=news, code=lambda: _code(news))

    def close(self) -> None:
        self._door.close()
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)


def _line(descriptor: int) -> str:
    text = b""
    while not text.endswith(b"\n") and (byte := os.read(descriptor, 1)):
        text += byte
    return text.decode().strip()


def _code(descriptor: int) -> int:
    return int(_line(descriptor) or -signal.SIGKILL)


def _serve(door: socket.socket, above: int) -> NoReturn:
    """The forker's life: an order, a program, its end, the next order."""
    try:
        door = _alone(door, above)
        while True:
            head, descriptors, _, _ = socket.recv_fds(door, _HEAD.size, 3)
            if not head:
                break
            order = json.loads(_exactly(door, _HEAD.unpack(head)[0]))
            _one(order, descriptors)
    except BaseException:  # noqa: BLE001  # a forked process must never return into its caller
        os._exit(70)
    os._exit(0)


def _alone(door: socket.socket, above: int) -> socket.socket:
    """Nothing of the attempt is held: no lock, no terminal, no signal handler, no descriptor."""
    _die_with(above)
    os.setsid()
    kept = os.dup(door.detach())  # never one of the three that are replaced now
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.dup2(kept, 3)
    os.closerange(4, 1 << 20)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):  # ignored, waitpid knows nothing
        signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    return socket.socket(fileno=3)


def _die_with(above: int) -> None:
    _libc.prctl(_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != above:  # it died before we asked
        os._exit(0)


def _one(order: dict[str, object], descriptors: list[int]) -> None:
    out, err, news = descriptors
    above = os.getpid()
    pid = os.fork()
    if pid == 0:
        _die_with(above)
        become(order, out, err)
    os.close(out)
    os.close(err)
    with suppress(BrokenPipeError):
        os.write(news, f"{pid}\n".encode())
    status = os.waitpid(pid, 0)[1]
    with suppress(BrokenPipeError):
        os.write(news, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os.close(news)


def _exactly(door: socket.socket, size: int) -> bytes:
    body = bytearray()
    while len(body) < size:
        chunk = door.recv(size - len(body))
        if not chunk:
            raise EOFError
        body += chunk
    return bytes(body)
