"""How is a tool started, listened to, stopped, and its whole process tree ended?

Every process of an attempt carries the attempt's mark in the environment it was executed with
(`/proc/PID/environ`), so a tree is known however often its members call setsid or lose their
parents. Who starts with a clean environment is not part of it, and lives on: light hosts and
forwarders are meant to. So does a process of another user (sudo), which nobody here may read.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from orchestrator.model.errors import ExecutorError, ToolError
from orchestrator.model.work import Cancel, Work

MARK = "ORCHESTRATOR_ATTEMPT"
LONGEST_PIECE = 64 * 1024  # bytes of one line handed on at once
LEFTOVER_GRACE = timedelta(seconds=2)  # for what a tool that ended by itself left behind
UNKILLABLE_AFTER = 60.0  # seconds after SIGKILL; only a process stuck in the kernel lives so long
TICK = 0.05  # seconds between looks at the cancel token


_given_umask = -1  # this process's own, where it has not been asked to write in private


def write_in_private() -> None:
    """What this process writes is private; what it starts gets the umask that a person's shell has.

    A playbook on localhost, or a program that builds something, else makes files nobody can read.
    """
    global _given_umask
    _given_umask = os.umask(0o077)


def given_umask() -> int:
    """For `Popen(umask=)`; -1 leaves it as it is."""
    return _given_umask


def ignore(stream: str, line: str) -> None:
    """Hears nothing."""


def run(
    argv: Sequence[str],
    *,
    work: Work,
    env: Mapping[str, str],
    directory: Path,
    on_line: Callable[[str, str], None] = ignore,
    polite: signal.Signals = signal.SIGINT,
    stdin: bytes = b"",
    whole_lines: bool = False,
) -> int:
    """The tool's exit code, negative for the signal that ended it; nothing it started is left.

    The tool sees `env` and the mark, nothing else; a session of its own (no terminal to ask at);
    `work.tool_lock` as its only descriptor besides stdin (the bytes, or /dev/null), stdout, stderr.
    on_line: called in this thread with "stdout" or "stderr" and a line without its end; a line
    above 64 KiB comes in pieces, but for `whole_lines`: for what must be put together again, JSON
    say. All that was written before the end is heard.
    Stops when `work.cancel` is asked or `work.timeout` passed since this call (then it asks itself,
    with reason "timeout"): `polite` to the main process, `work.grace`, then SIGKILL for the tree.
    Where it was asked already, nothing is started and the answer is minus `polite`.
    Raises ToolError where the program cannot be started; then nothing has changed.
    """
    if work.cancel.asked:
        return -polite
    mark = work.mark or uuid4().hex
    process = _start(argv, {**env, MARK: mark}, directory, work.tool_lock, polite, stdin)
    longest = sys.maxsize if whole_lines else LONGEST_PIECE
    with _Listener(process, on_line, longest) as listener:
        try:
            ended = _wait(process, listener, work, polite)
            grace = min(work.grace, LEFTOVER_GRACE) if ended else timedelta(0)
            for seconds in _ending(mark, grace):
                listener.listen(seconds)
            return process.wait()
        finally:  # also where on_line raised: no tool goes on unheard
            if process.returncode is None:
                process.kill()
                end_marked(mark, grace=timedelta(0))
                process.wait()
            listener.rest()


def marked(mark: str) -> tuple[int, ...]:
    """Pids of the processes that carry the mark, never our own; zombies carry nothing.

    Not seen: a process that was only forked, not executed, from one that does not carry it.
    """
    pids = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
    return tuple(pid for pid in pids if pid != os.getpid() and _carries(pid, mark))


def end_marked(mark: str, *, grace: timedelta) -> int:
    """How many processes were ended: SIGTERM, then after `grace` SIGKILL, until none is left.

    Stopped processes are woken for SIGTERM. Raises ExecutorError where one cannot be killed.
    """
    ending = _ending(mark, grace)
    while True:
        try:
            time.sleep(next(ending))
        except StopIteration as end:
            return int(end.value)


def become_subreaper() -> None:
    """Orphans of our tree become our children, not those of PID 1. Linux only."""
    set_child_subreaper = 36  # PR_SET_CHILD_SUBREAPER of <linux/prctl.h>
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(set_child_subreaper, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def reap() -> int:
    """How many dead children were buried. Only where no subprocess of one's own is under way:

    it would take away the exit code that its owner is waiting for.
    """
    count = 0
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            count += 1
    return count


def _start(
    argv: Sequence[str],
    env: Mapping[str, str],
    directory: Path,
    lock: int,
    polite: signal.Signals,
    stdin: bytes,
) -> subprocess.Popen[bytes]:
    if not directory.is_dir():  # Popen's own message would blame the program
        raise _cannot_start(argv, f"its working directory {directory} does not exist")
    try:
        with _standard_input(stdin) as source, _not_ignored(polite):
            return subprocess.Popen(
                list(argv),
                env=dict(env),
                cwd=directory,
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(lock,) if lock >= 0 else (),
                start_new_session=True,
                umask=_given_umask,
                bufsize=0,
            )
    except FileNotFoundError as error:
        raise _cannot_start(argv, "it was not found", "Install it, or correct PATH.") from error
    except (OSError, ValueError, IndexError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise _cannot_start(argv, reason) from error


def _cannot_start(argv: Sequence[str], reason: str, advice: str = "") -> ToolError:
    name = argv[0] if argv else "an empty command"
    return ToolError(
        f"{name} cannot be started: {reason}.",
        holds="Nothing was changed.",
        next=advice,
    )


@contextmanager
def _standard_input(content: bytes) -> Iterator[int]:
    """A descriptor to read the bytes from: a file in memory, so that nobody waits for a reader."""
    if not content:
        yield subprocess.DEVNULL
        return
    with open(os.memfd_create("stdin"), "wb") as file:
        file.write(content)
        file.flush()
        file.seek(0)
        yield file.fileno()


@contextmanager
def _not_ignored(number: signal.Signals) -> Iterator[None]:
    """An ignored signal stays ignored over exec (a shell's `… &` ignores SIGINT); a caught one
    falls back to its default. Only the main thread may change that."""
    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(number) is not signal.SIG_IGN:
        yield
        return
    signal.signal(number, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(number, signal.SIG_IGN)


def _wait(
    process: subprocess.Popen[bytes], listener: _Listener, work: Work, polite: signal.Signals
) -> bool:
    """Whether the main process ended in its time; False where its tree must be killed."""
    deadline = time.monotonic() + work.timeout.total_seconds()
    while not _to_stop(work.cancel, deadline):
        if listener.listen(TICK):
            return True
    process.send_signal(polite)
    deadline = time.monotonic() + work.grace.total_seconds()
    while not work.cancel.harder and time.monotonic() < deadline:
        if listener.listen(TICK):
            return True
    process.kill()  # by its pid, which is ours until we wait for it: it may have lost its mark
    return False


def _to_stop(cancel: Cancel, deadline: float) -> bool:
    if not cancel.asked and time.monotonic() >= deadline:
        cancel.ask("timeout")
    return cancel.asked


def _ending(mark: str, grace: timedelta) -> Generator[float, None, int]:
    """Ends the tree step by step: yields how long to wait before the next look; returns how many.

    After something was found it must be missed twice: in the middle of exec a process has no
    environment to read.
    """
    deadline = time.monotonic() + grace.total_seconds()
    found: set[int] = set()
    missed = 0
    pause = 0.005
    while missed < (2 if found else 1):
        pids = marked(mark)
        missed = 0 if pids else missed + 1
        late = time.monotonic() - deadline
        if late > UNKILLABLE_AFTER:
            raise ExecutorError(f"Processes {pids} do not end, not even by SIGKILL.")
        for pid in pids:
            if late >= 0:
                _send(pid, mark, signal.SIGKILL)
            elif pid not in found:
                _send(pid, mark, signal.SIGTERM, signal.SIGCONT)
        found.update(pids)
        if found:
            yield pause
            pause = min(2 * pause, TICK)
    return len(found)


def _send(pid: int, mark: str, *signals: signal.Signals) -> None:
    """Sends to that very process, or to nobody: a pid may be given to a stranger at any time."""
    with suppress(ProcessLookupError, PermissionError):
        descriptor = os.pidfd_open(pid)
        try:
            if _carries(pid, mark):
                for number in signals:
                    signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)


def _carries(pid: int, mark: str) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return f"{MARK}={mark}".encode() in file.read().split(b"\0")
    except OSError:  # gone, or another user's
        return False


class _Listener:
    """Hands on what a process writes, and knows when it has ended."""

    def __init__(
        self, process: subprocess.Popen[bytes], on_line: Callable[[str, str], None], longest: int
    ) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self._ended = False
        self._selector = selectors.DefaultSelector()
        self._pidfd = os.pidfd_open(process.pid)
        self._selector.register(self._pidfd, selectors.EVENT_READ)
        self._pipes = (process.stdout, process.stderr)
        for name, pipe in zip(("stdout", "stderr"), self._pipes, strict=True):
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, selectors.EVENT_READ, _Lines(name, on_line, longest))

    def __enter__(self) -> _Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        os.close(self._pidfd)
        for pipe in self._pipes:
            pipe.close()

    def listen(self, seconds: float) -> bool:
        """Whether the process has ended, after waiting for something for at most so long.

        Once it has ended, always takes the whole time, unless something is written.
        """
        for key, _ in self._selector.select(seconds):
            if key.fd == self._pidfd:
                self._ended = True
                self._selector.unregister(self._pidfd)
            else:
                self._read(key)
        return self._ended

    def rest(self) -> None:
        """Everything that was written before this call is heard, with or without a last newline.

        Neither waits for the end of the pipes nor reads more than fits into one: a daemon may hold
        them open, or write, for ever.
        """
        for key in list(self._selector.get_map().values()):
            if key.fd != self._pidfd:
                left = fcntl.fcntl(key.fd, fcntl.F_GETPIPE_SZ)
                while left > 0 and (count := self._read(key)):
                    left -= count
                key.data.close()

    def _read(self, key: selectors.SelectorKey) -> int:
        """How many bytes were there; 0 where there is nothing now, or never again."""
        try:
            chunk = os.read(key.fd, LONGEST_PIECE)
        except BlockingIOError:
            return 0
        if chunk:
            key.data.feed(chunk)
        else:
            key.data.close()
            self._selector.unregister(key.fileobj)
        return len(chunk)


class _Lines:
    """Cuts a stream of bytes into lines of text."""

    def __init__(self, stream: str, on_line: Callable[[str, str], None], longest: int) -> None:
        self._stream = stream
        self._on_line = on_line
        self._longest = longest
        self._open = b""  # a line whose end has not come yet

    def feed(self, chunk: bytes) -> None:
        *lines, last = (self._open + chunk).split(b"\n")
        self._open = b""  # before anybody may raise
        for line in lines:
            self._tell_all(line)
        while len(last) > self._longest:
            cut = _whole_characters(last, self._longest)
            self._tell(last[:cut])
            last = last[cut:]
        self._open = last

    def close(self) -> None:
        line, self._open = self._open, b""
        if line:
            self._tell_all(line)

    def _tell_all(self, line: bytes) -> None:
        line = line.removesuffix(b"\r")
        while len(line) > self._longest:
            cut = _whole_characters(line, self._longest)
            self._tell(line[:cut])
            line = line[cut:]
        self._tell(line)

    def _tell(self, line: bytes) -> None:
        self._on_line(self._stream, line.decode("utf-8", errors="replace"))


def _whole_characters(line: bytes, length: int) -> int:
    """Where to cut at or before `length`, so that no UTF-8 character is torn apart."""
    cut = length
    while cut > length - 4 and line[cut] & 0b1100_0000 == 0b1000_0000:
        cut -= 1
    return cut
