"""What is a running program to the one who started it, whichever way it was started?"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from orchestrator.procs import given_umask

LONGEST_READ = 64 * 1024
OnLine = Callable[[str, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramOrder:
    """How to run the exec script once. argv: without the interpreter; its first is the script."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    directory: Path


@dataclass(slots=True, kw_only=True)
class Running:
    """A program under way. ended: a descriptor that can be read once it is over."""

    pid: int  # also its process group
    stdout: int
    stderr: int
    ended: int
    code: Callable[[], int]  # waits; negative for a signal
    over: bool = False

    def listen(self, on_line: OnLine) -> int:
        """The exit code, after handing on every line it printed ("stdout" or "stderr", text)."""
        lines = {self.stdout: _Cutter("stdout", on_line), self.stderr: _Cutter("stderr", on_line)}
        with selectors.DefaultSelector() as selector:
            for descriptor in (*lines, self.ended):
                selector.register(descriptor, selectors.EVENT_READ)
            while self.ended in selector.get_map():
                for key, _ in selector.select():
                    if key.fd == self.ended or not lines[key.fd].read(key.fd):
                        selector.unregister(key.fd)
        code = self.code()
        self.over = True
        for descriptor, cutter in lines.items():  # what was written just before the end
            os.set_blocking(descriptor, False)
            while cutter.read(descriptor):
                pass
            cutter.close()
        self._close()
        return code

    def kill(self) -> None:
        """Ends the program and all it started that stayed in its group."""
        if not self.over:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def _close(self) -> None:
        for descriptor in (self.stdout, self.stderr, self.ended):
            os.close(descriptor)


def start_process(interpreter: Path, order: ProgramOrder) -> Running:
    """Runs the order under an interpreter of its own."""
    process = subprocess.Popen(
        [str(interpreter), "-u", *order.argv],
        env=dict(order.env),
        cwd=order.directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        umask=given_umask(),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    return Running(
        pid=process.pid,
        stdout=_own(process.stdout),
        stderr=_own(process.stderr),
        ended=os.pidfd_open(process.pid),
        code=process.wait,
    )


def _own(pipe: IO[bytes]) -> int:
    """The pipe's descriptor, ours to close."""
    descriptor = os.dup(pipe.fileno())
    pipe.close()
    return descriptor


class _Cutter:
    """Cuts what comes from one descriptor into lines of text."""

    def __init__(self, stream: str, on_line: OnLine) -> None:
        self._stream = stream
        self._on_line = on_line
        self._rest = b""

    def read(self, descriptor: int) -> bool:
        """Whether there was something."""
        try:
            chunk = os.read(descriptor, LONGEST_READ)
        except BlockingIOError:
            return False
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._tell(line)
        if len(self._rest) > LONGEST_READ:
            self.close()
        return bool(chunk)

    def close(self) -> None:
        if self._rest:
            self._tell(self._rest)
            self._rest = b""

    def _tell(self, line: bytes) -> None:
        self._on_line(self._stream, line.decode("utf-8", errors="replace").rstrip("\r"))
