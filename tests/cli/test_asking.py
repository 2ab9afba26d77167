"""What does a person at a terminal see and decide?"""

import os
import pty
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.projects import CLI, PATIENCE, Tiny, command, made

pytestmark = pytest.mark.slow


class Terminal:
    """A command of ours at a terminal of its own: standard input and error; its output is piped."""

    def __init__(self, tiny: Tiny, *words: str) -> None:
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [*CLI, *words],
            cwd=tiny.root,
            env=tiny.variables() | {"TERM": "xterm", "COLUMNS": "100", "LINES": "30"},
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.seen = ""

    def until(self, text: str) -> None:
        """Reads until it was shown."""
        while text not in self.seen:
            ready, _, _ = select.select([self._ours], [], [], PATIENCE)
            assert ready, f"{text!r} never came: {self.seen}"
            self._read()

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def end(self) -> tuple[int, str]:
        """The exit code and what came on standard output."""
        while self._read():
            pass
        out, _ = self._process.communicate(timeout=PATIENCE)
        return self._process.returncode, out.decode()

    def close(self) -> None:
        os.close(self._ours)
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate(timeout=PATIENCE)

    def _read(self) -> bool:
        try:
            self.seen += os.read(self._ours, 4096).decode(errors="replace")
        except OSError:  # EIO: the other side is closed
            return False
        return True


@contextmanager
def at_terminal(tiny: Tiny, *words: str) -> Iterator[Terminal]:
    terminal = Terminal(tiny, *words)
    try:
        yield terminal
    finally:
        terminal.close()


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Tiny]:
    project = made(tmp_path, command(tmp_path / "world", "one"))
    yield project
    project.end()


def test_no_is_no(tiny: Tiny) -> None:
    """`up` shows its plan and asks; after a no nothing is started and nothing is held."""
    with at_terminal(tiny, "up", "dev") as terminal:
        terminal.until("Bring dev up? [y/N]")
        terminal.type("n\n")
        code, out = terminal.end()
    assert code != 0
    assert "one" in out
    assert "Traceback" not in terminal.seen
    assert tiny.count("one") == 0
    assert tiny.rows("select count(*) from runs") == [(0,)]
    assert tiny.rows("select count(*) from leases where held") == [(0,)]
    assert tiny.marked() == []


def test_yes_is_shown_live(tiny: Tiny) -> None:
    """After a yes the run is shown live on standard error, its result stands on standard output."""
    with at_terminal(tiny, "up", "dev") as terminal:
        terminal.until("Bring dev up? [y/N]")
        terminal.type("y\n")
        code, out = terminal.end()
    assert code == 0, terminal.seen
    assert "dev is up: dev#1" in out
    assert "-> dev   run dev#1" in terminal.seen
    assert "\x1b" not in out
    assert tiny.count("one") == 1


def test_ctrl_c_at_the_question(tiny: Tiny) -> None:
    """Ctrl-C instead of an answer: nothing is started; exit 130."""
    with at_terminal(tiny, "destroy", "dev") as terminal:
        terminal.until("[y/N]")
        terminal.type("\x04")  # the end of input; a session without a job control has no ctrl-c
        code, _ = terminal.end()
    assert code == 130
    assert "Traceback" not in terminal.seen
    assert tiny.rows("select count(*) from runs") == [(0,)]
