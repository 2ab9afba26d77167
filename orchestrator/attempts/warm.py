"""How does an attempt start in 3 ms? A parent that has imported everything forks it.

The parent is single-threaded, has a session of its own and a clean environment, and knows no
secret: what a stage may see comes with its request, over the socket, never over the disk. It ends
when its controller does; the attempts it forked live on.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from orchestrator.attempts.folder import AttemptFolder
from orchestrator.attempts.hints import hint, hint_name
from orchestrator.attempts.locks import FileLock
from orchestrator.model.errors import ExecutorError
from orchestrator.procs import write_in_private

AttemptMain = Callable[[AttemptFolder, Mapping[str, str]], None]
"""Carries out one attempt; the second argument holds the variables it may read secrets from."""

# Who and where we are, and where tools keep their things; no value of these is a secret.
_PASSED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "USER", "LOGNAME", "TMPDIR", "PULUMI_HOME")
_PASSED_PREFIXES = ("XDG_", "ORCHESTRATOR_", "LIGHTHOSTS_")


class WarmParent:
    """The controller's side: starts attempts through the parent it keeps."""

    def __init__(self, module: str) -> None:
        """Starts `python -m module FD`; its imports go on while the caller works."""
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {
            name: value
            for name, value in os.environ.items()
            if (name in _PASSED or name.startswith(_PASSED_PREFIXES))
            and name != "ORCHESTRATOR_ATTEMPT"
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, str(theirs.fileno())],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
        theirs.close()

    def start(self, folder: AttemptFolder, variables: Mapping[str, str]) -> None:
        """The attempt of that folder lives and holds its lock.

        Raises ExecutorError(started=False) where it could not be started.
        """
        request = json.dumps({"folder": str(folder.path), "variables": dict(variables)})
        try:
            self._socket.sendall(request.encode())
            answer = self._socket.recv(1 << 16).decode()
        except OSError as error:
            raise self._failed(str(error)) from error
        if answer != "started":
            raise self._failed(answer or "it ended")

    def has_died(self) -> bool:
        """Whether it is gone. Waits a moment: of one that dies the socket is closed before that."""
        try:
            self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return False
        return True

    def close(self) -> None:
        """The parent ends, also in the middle of its imports; attempts go on."""
        self._socket.close()
        self._process.terminate()  # every start was answered: nothing is under way in it
        self._process.wait()

    def _failed(self, why: str) -> ExecutorError:
        return ExecutorError(
            f"the attempt could not be started: {why}.",
            started=False,
            holds="No tool was started.",
        )


def serve(
    descriptor: int,
    main: AttemptMain,
    ready: Callable[[AttemptFolder], None] = lambda _: None,
    idle: Sequence[Callable[[], None]] = (),
) -> None:
    """The parent's loop: a request, a fork, an answer; until the controller is gone.

    ready: imports what an attempt needs, before it is forked. idle: what is imported, one after
    the other, while nobody asks for anything.
    """
    requests = socket.socket(fileno=descriptor)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps; attempts prove life by locks
    to_import = list(idle)
    while True:
        while to_import and not _is_asked(requests):
            to_import.pop(0)()
        gc.freeze()
        try:
            message = requests.recv(1 << 20)
        except ConnectionError:
            return
        if not message:
            return
        request = json.loads(message)
        folder = AttemptFolder(Path(request["folder"]))
        answer = _fork(folder, request["variables"], requests, main, ready)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # seen by the next recv
            requests.send(answer.encode())


def _is_asked(requests: socket.socket) -> bool:
    """Whether somebody asks for something, or is gone."""
    poll = select.poll()
    poll.register(requests, select.POLLIN)
    return bool(poll.poll(0))


def _fork(
    folder: AttemptFolder,
    variables: Mapping[str, str],
    requests: socket.socket,
    main: AttemptMain,
    ready: Callable[[AttemptFolder], None],
) -> str:
    try:
        ready(folder)
    except (OSError, ValueError) as error:  # there is no order, or nobody can read it
        return f"{folder.work} cannot be read: {error}"
    lock = FileLock.taken(folder.lock)
    if lock is None:
        return f"{folder.lock} is held by another process"
    if _has_hung_up(requests):
        lock.close()
        return "nobody asks any more"
    if os.fork() == 0:
        _child(folder, variables, requests, main, lock)
    lock.close()  # the child holds it now, and nobody else
    return "started"


def _has_hung_up(requests: socket.socket) -> bool:
    """Whether the controller is gone. Whoever took its run over starts this attempt by itself.

    Asked once the lock is held: a controller that dies after this leaves a lock for all to see.
    """
    poll = select.poll()
    poll.register(requests, select.POLLRDHUP)
    return bool(poll.poll(0))


def _child(
    folder: AttemptFolder,
    variables: Mapping[str, str],
    requests: socket.socket,
    main: AttemptMain,
    lock: FileLock,
) -> None:
    status = 1
    try:
        requests.close()
        os.setsid()
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        _redirect(folder.path / "attempt.log")
        write_in_private()
        main(folder, variables)
        status = 0
    except BaseException:  # noqa: BLE001  # this process ends here, whatever it was
        # The log beside the result is the only place this process can tell its last words to.
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        lock.close()  # before the hint: a driver that finds it held looks again in half a second
        hint(hint_name(folder.path.parent))
        os._exit(status)


def _redirect(log: Path) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(null, 0)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(null)
    os.close(file)
