"""Does a tool come back with all it said, and with nothing of its tree left alive?"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from orchestrator import procs
from orchestrator.model.definitions import CommandSpec, StageKind
from orchestrator.model.errors import ToolError
from orchestrator.model.runs import Action, RunKey
from orchestrator.model.work import Cancel, Work

ENV = {"PATH": os.environ.get("PATH", os.defpath)}
LONG = timedelta(seconds=60)


@pytest.fixture
def mark() -> Iterator[str]:
    """A mark of this test's own; whatever it left is ended."""
    mark = f"test-{uuid4().hex}"
    yield mark
    procs.end_marked(mark, grace=timedelta(0))


@pytest.fixture
def lines() -> list[tuple[str, str]]:
    return []


def work_in(
    folder: Path,
    mark: str,
    *,
    cancel: Cancel | None = None,
    grace: timedelta = LONG,
    timeout: timedelta = LONG,
    tool_lock: int = -1,
) -> Work:
    return Work(
        run=RunKey("p", "dev", 1),
        stage="s",
        attempt=1,
        action=Action.APPLY,
        kind=StageKind.COMMAND,
        spec=CommandSpec(run=("x",)),
        project=folder,
        inventories=folder,
        folder=folder,
        cache=folder,
        mark=mark,
        grace=grace,
        timeout=timeout,
        tool_lock=tool_lock,
        cancel=cancel or Cancel(),
    )


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def until(holds: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        threading.Event().wait(0.01)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")


def when_said(
    cancel: Cancel, word: str, lines: list[tuple[str, str]]
) -> Callable[[str, str], None]:
    """A listener that cancels as soon as a line is the word."""

    def on_line(stream: str, text: str) -> None:
        lines.append((stream, text))
        if text == word:
            cancel.ask()

    return on_line


def test_exit_code_and_both_streams(
    tmp_path: Path, mark: str, lines: list[tuple[str, str]]
) -> None:
    """The exit code comes back, and the lines of both streams, the unfinished last one too."""
    argv = ("sh", "-c", "echo out; echo err >&2; printf tail; printf '\\377' >&2; exit 3")
    code = procs.run(
        argv,
        work=work_in(tmp_path, mark),
        env=ENV,
        directory=tmp_path,
        on_line=lambda stream, text: lines.append((stream, text)),
    )
    assert code == 3
    assert [text for stream, text in lines if stream == "stdout"] == ["out", "tail"]
    assert [text for stream, text in lines if stream == "stderr"] == [
        "err",
        "\N{REPLACEMENT CHARACTER}",
    ]


def test_environment_is_what_was_given_and_the_mark(
    tmp_path: Path, mark: str, lines: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of our own environment reaches the tool."""
    monkeypatch.setenv("ORCHESTRATOR_OF_OURS", "1")
    procs.run(
        ("/usr/bin/env",),
        work=work_in(tmp_path, mark),
        env={"A": "1"},
        directory=tmp_path,
        on_line=lambda stream, text: lines.append((stream, text)),
    )
    assert sorted(text for _, text in lines) == ["A=1", f"ORCHESTRATOR_ATTEMPT={mark}"]


def test_standard_input(tmp_path: Path, mark: str, lines: list[tuple[str, str]]) -> None:
    """The bytes arrive however many they are and though nobody reads them in step; none is EOF."""
    hear = lambda stream, text: lines.append((stream, text))  # noqa: E731  # shorter at both calls
    work = work_in(tmp_path, mark)
    procs.run(
        ("wc", "-c"), work=work, env=ENV, directory=tmp_path, on_line=hear, stdin=b"x" * 300_000
    )
    procs.run(("wc", "-c"), work=work, env=ENV, directory=tmp_path, on_line=hear)
    assert [text.strip() for _, text in lines] == ["300000", "0"]


def test_huge_output_on_both_streams(tmp_path: Path, mark: str) -> None:
    """Megabytes on both streams at once neither block nor lose a line."""
    counts = {"stdout": 0, "stderr": 0}

    def count(stream: str, _: str) -> None:
        counts[stream] += 1

    code = python(
        "import sys\nfor i in range(60000):\n"
        " print(i, 'x' * 40)\n print(i, 'y' * 40, file=sys.stderr)"
    )
    assert (
        procs.run(code, work=work_in(tmp_path, mark), env=ENV, directory=tmp_path, on_line=count)
        == 0
    )
    assert counts == {"stdout": 60000, "stderr": 60000}


def test_very_long_line_comes_in_pieces(tmp_path: Path, mark: str) -> None:
    """A line without an end is cut into pieces of at most 64 KiB, never inside a character."""
    pieces: list[str] = []
    procs.run(
        python("print('€' * 100_000)"),
        work=work_in(tmp_path, mark),
        env={**ENV, "PYTHONIOENCODING": "utf-8"},
        directory=tmp_path,
        on_line=lambda _, text: pieces.append(text),
    )
    assert "".join(pieces) == "€" * 100_000
    assert max(len(piece.encode()) for piece in pieces) <= 64 * 1024
    assert len(pieces) < 10


def test_whole_lines(tmp_path: Path, mark: str) -> None:
    """Where it is asked for, a line of any length comes in one piece."""
    heard: list[str] = []
    procs.run(
        python("print('x' * 1_000_000); print('end')"),
        work=work_in(tmp_path, mark),
        env=ENV,
        directory=tmp_path,
        on_line=lambda _, text: heard.append(text),
        whole_lines=True,
    )
    assert heard == ["x" * 1_000_000, "end"]


def test_cancel_is_polite_first(tmp_path: Path, mark: str, lines: list[tuple[str, str]]) -> None:
    """A tool that answers SIGINT ends by itself, and its last words are heard."""
    cancel = Cancel()
    code = procs.run(
        (
            "bash",
            "-c",
            "trap 'echo bye; exit 7' INT; echo ready; while true; do sleep 0.02; done",
        ),
        work=work_in(tmp_path, mark, cancel=cancel),
        env=ENV,
        directory=tmp_path,
        on_line=when_said(cancel, "ready", lines),
    )
    assert code == 7
    assert lines[-1] == ("stdout", "bye")
    assert cancel.reason == "cancelled"


def test_polite_signal_reaches_a_tool_though_we_ignore_it(
    tmp_path: Path, mark: str, lines: list[tuple[str, str]]
) -> None:
    """Started in a shell's background, where SIGINT is ignored, a tool can still be interrupted."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    cancel = Cancel()
    try:
        code = procs.run(
            ("sh", "-c", "echo ready; exec sleep 60"),
            work=work_in(tmp_path, mark, cancel=cancel),
            env=ENV,
            directory=tmp_path,
            on_line=when_said(cancel, "ready", lines),
        )
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert code == -signal.SIGINT


@pytest.mark.parametrize("harder", [False, True])
def test_cancel_of_a_stubborn_tool(tmp_path: Path, mark: str, harder: bool) -> None:
    """A tool that traps SIGINT and SIGTERM is killed after its grace, at once if asked harder."""
    cancel = Cancel()

    def on_line(_: str, text: str) -> None:
        if text == "ready":
            cancel.ask(harder=harder)

    code = procs.run(
        ("bash", "-c", "trap '' INT TERM; echo ready; while true; do sleep 0.02; done"),
        work=work_in(
            tmp_path, mark, cancel=cancel, grace=timedelta(hours=1) if harder else timedelta(0)
        ),
        env=ENV,
        directory=tmp_path,
        on_line=on_line,
    )
    assert code == -signal.SIGKILL
    assert procs.marked(mark) == ()


def test_timeout_asks_the_cancel(tmp_path: Path, mark: str) -> None:
    """A tool that takes too long is stopped, and the token tells why."""
    work = work_in(tmp_path, mark, timeout=timedelta(milliseconds=200))
    code = procs.run(("sleep", "60"), work=work, env=ENV, directory=tmp_path)
    assert code == -signal.SIGINT
    assert work.cancel.reason == "timeout"


def test_already_cancelled_starts_nothing(tmp_path: Path, mark: str) -> None:
    """Where a stop was asked before, the tool is not started at all."""
    cancel = Cancel()
    cancel.ask()
    work = work_in(tmp_path, mark, cancel=cancel)
    assert procs.run(("touch", "made"), work=work, env=ENV, directory=tmp_path) < 0
    assert not (tmp_path / "made").exists()


def test_escapees_are_ended(tmp_path: Path, mark: str, lines: list[tuple[str, str]]) -> None:
    """What a tool left behind in a session of its own is ended, though it holds stdout open."""
    code = procs.run(
        (
            "sh",
            "-c",
            "setsid sh -c 'trap \"\" TERM; echo here; sleep 600; true' & read x; echo end",
        ),
        work=work_in(tmp_path, mark, grace=timedelta(milliseconds=100)),
        env=ENV,
        directory=tmp_path,
        on_line=lambda stream, text: lines.append((stream, text)),
    )
    assert code == 0
    assert ("stdout", "end") in lines
    assert procs.marked(mark) == ()


def test_cancel_ends_the_whole_tree(
    tmp_path: Path, mark: str, lines: list[tuple[str, str]]
) -> None:
    """Grandchildren in sessions of their own go with the tool that is cancelled."""
    cancel = Cancel()
    procs.run(
        (
            "bash",
            "-c",
            "trap '' INT TERM; setsid bash -c 'trap \"\" TERM INT; echo ready; "
            "while true; do sleep 0.02; done'; true",
        ),
        work=work_in(tmp_path, mark, cancel=cancel, grace=timedelta(0)),
        env=ENV,
        directory=tmp_path,
        on_line=when_said(cancel, "ready", lines),
    )
    assert procs.marked(mark) == ()


def test_daemon_with_clean_environment_lives_on(
    tmp_path: Path, mark: str, lines: list[tuple[str, str]]
) -> None:
    """A daemon that carries no mark survives its tool, and its open stdout holds up nobody."""
    code = procs.run(
        (
            "sh",
            "-c",
            "setsid env -i /bin/sleep 600 & echo $!; "
            'until [ "$(cat /proc/$!/comm)" = sleep ]; do true; done',
        ),
        work=work_in(tmp_path, mark),
        env=ENV,
        directory=tmp_path,
        on_line=lambda stream, text: lines.append((stream, text)),
    )
    daemon = int(lines[0][1])
    try:
        assert code == 0
        assert alive(daemon)
    finally:
        os.kill(daemon, signal.SIGKILL)


def test_tail_before_a_kill_is_heard(tmp_path: Path, mark: str) -> None:
    """All that was written before the end arrives, in order, though the tool dies by a signal."""
    heard: list[str] = []
    code = procs.run(
        python(
            "import os, sys\nfor i in range(5000): print(i)\n"
            "sys.stdout.flush(); os.kill(os.getpid(), 9)"
        ),
        work=work_in(tmp_path, mark),
        env=ENV,
        directory=tmp_path,
        on_line=lambda _, text: heard.append(text),
    )
    assert code == -signal.SIGKILL
    assert heard == [str(number) for number in range(5000)]


def test_listener_that_raises_leaves_no_tool(tmp_path: Path, mark: str) -> None:
    """Where hearing a line fails, the tool is ended before the error goes on."""

    def on_line(_: str, text: str) -> None:
        raise RuntimeError(text)

    with pytest.raises(RuntimeError, match="ready"):
        procs.run(
            ("sh", "-c", "echo ready; exec sleep 600"),
            work=work_in(tmp_path, mark),
            env=ENV,
            directory=tmp_path,
            on_line=on_line,
        )
    assert procs.marked(mark) == ()


def test_tool_inherits_its_lock(tmp_path: Path, mark: str, lines: list[tuple[str, str]]) -> None:
    """The tool holds the descriptor of its lock, and no other of ours."""
    with (tmp_path / "lock").open("w") as lock, (tmp_path / "other").open("w") as other:
        os.set_inheritable(other.fileno(), True)
        procs.run(
            ("sh", "-c", "readlink /proc/$$/fd/*"),
            work=work_in(tmp_path, mark, tool_lock=lock.fileno()),
            env=ENV,
            directory=tmp_path,
            on_line=lambda stream, text: lines.append((stream, text)),
        )
    shown = [text for _, text in lines]
    assert str(tmp_path / "lock") in shown
    assert str(tmp_path / "other") not in shown


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (("no-such-program-anywhere",), "it was not found"),
        (("./text",), "permission denied"),
        (("./broken",), "exec format error"),
        (("true", "a\0b"), "embedded null byte"),
        ((), "an empty command"),
    ],
)
def test_program_that_cannot_be_started(
    tmp_path: Path, mark: str, argv: tuple[str, ...], reason: str
) -> None:
    """A program that cannot be started is a ToolError that says why."""
    (tmp_path / "text").write_text("hello")
    (tmp_path / "broken").write_bytes(b"\0\1\2")
    (tmp_path / "broken").chmod(0o755)
    with pytest.raises(ToolError, match=reason) as caught:
        procs.run(argv, work=work_in(tmp_path, mark), env=ENV, directory=tmp_path)
    assert "Nothing was changed" in str(caught.value)


def test_missing_directory_is_not_blamed_on_the_program(tmp_path: Path, mark: str) -> None:
    """Where the working directory is missing, the error names it."""
    with pytest.raises(ToolError, match="gone does not exist"):
        procs.run(("true",), work=work_in(tmp_path, mark), env=ENV, directory=tmp_path / "gone")


def test_end_marked_counts_and_ends_stopped_ones(mark: str) -> None:
    """Stopped processes are ended as well, and all are counted."""
    env = {**ENV, procs.MARK: mark}
    children = [subprocess.Popen(("sleep", "600"), env=env) for _ in range(3)]
    until(lambda: len(procs.marked(mark)) == 3)
    children[0].send_signal(signal.SIGSTOP)
    assert procs.end_marked(mark, grace=timedelta(seconds=5)) == 3
    assert [child.wait() for child in children] == [-signal.SIGTERM] * 3
    assert procs.end_marked(mark, grace=timedelta(0)) == 0


def test_other_marks_are_left_alone(mark: str) -> None:
    """A mark that only begins like ours is a stranger's."""
    stranger = subprocess.Popen(("sleep", "600"), env={**ENV, procs.MARK: mark + "0"})
    try:
        until(lambda: procs.marked(mark + "0"))
        assert procs.end_marked(mark, grace=timedelta(0)) == 0
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_subreaper_gets_and_buries_orphans() -> None:
    """In a subreaper an orphan becomes our own child, and can be buried."""
    code = (
        "import os, subprocess, time\n"
        "from orchestrator import procs\n"
        "procs.become_subreaper()\n"
        "subprocess.run(['sh', '-c', 'sleep 0.05 & exec true'])\n"
        "deadline = time.monotonic() + 20\n"
        "count = 0\n"
        "while not count and time.monotonic() < deadline:\n"
        "    count = procs.reap(); time.sleep(0.01)\n"
        "assert count == 1\n"
    )
    subprocess.run(python(code), check=True, env={**ENV, "PYTHONPATH": os.getcwd()})
