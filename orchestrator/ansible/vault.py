"""How does Ansible get a vault's password without it on disk, argv or in the environment?

`--vault-id ID@SCRIPT`: the script connects to a socket in the attempt's own 0700 folder and prints
what it is told. The socket is served from the loop that waits for Ansible, so no thread is needed
in a process that forks.
"""

from __future__ import annotations

import re
import shlex
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from orchestrator.ansible.unsafe import write_private
from orchestrator.model.errors import DefinitionError
from orchestrator.model.positions import Problem

_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,99}")
_ASK = """import socket
server = socket.socket(socket.AF_UNIX)
server.connect({path!r})
print(server.makefile(encoding="utf-8").read())
"""


class VaultServer:
    """Tells each vault's password to whoever may open the folder. Used as a context."""

    def __init__(self, secrets: Mapping[str, str], folder: Path) -> None:
        """Raises DefinitionError for an id that could be taken for something else."""
        for name in secrets:
            if not _ID.fullmatch(name):
                raise DefinitionError([Problem(message=f"vault id {name!r} is no plain name")])
        self._servers: list[tuple[socket.socket, str]] = []
        self.arguments: list[str] = []
        for number, (name, secret) in enumerate(secrets.items()):
            path = folder / f"v{number}"
            self._servers.append((_listening(path), secret))
            script = write_private(folder / f"v{number}.sh", _script(path), mode=0o700)
            self.arguments.append(f"--vault-id={name}@{script}")

    def serve(self) -> None:
        """Answers everybody who asks just now; waits for nobody."""
        for server, secret in self._servers:
            try:
                connection, _ = server.accept()
            except BlockingIOError:
                continue
            with connection:
                connection.sendall(secret.encode())

    @contextmanager
    def in_background(self) -> Iterator[None]:
        """Serves from a thread while the body runs; for where nobody calls `serve`."""
        if not self._servers:
            yield
            return
        ended = threading.Event()

        def go_on() -> None:
            while not ended.wait(0.02):
                self.serve()

        thread = threading.Thread(target=go_on, name="vault", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def __enter__(self) -> VaultServer:
        return self

    def __exit__(self, *error: object) -> None:
        for server, _ in self._servers:
            server.close()


def _listening(path: Path) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    path.chmod(0o600)
    server.listen()
    server.setblocking(False)
    return server


def _script(path: Path) -> str:
    """A shell's first line is short; that of a Python in a deep virtualenv may be too long."""
    argv = [sys.executable, "-ISE", "-c", _ASK.format(path=str(path))]
    return f"#!/bin/sh\nexec {shlex.join(argv)}\n"
