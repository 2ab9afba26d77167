"""How is one Pulumi process asked, and its answer taken in while it works?"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.model.events import LogLine, StageEvent
from orchestrator.model.work import Work
from orchestrator.ports import Report
from orchestrator.procs import run
from orchestrator.pulumi.answer import Answer
from orchestrator.pulumi.event_log import listening
from orchestrator.pulumi.events import Told, stage_event, told_by
from orchestrator.pulumi.running import ProgramOrder, Running, start_process
from orchestrator.pulumi.warm import opened_interpreter

LAST_LINES = 60
EXEC_SCRIPT = "pulumi-language-python-exec"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What every process of one operation on one stack has in common."""

    work: Work
    directory: Path  # the program's
    stack: str  # organization/<project>/<stack>
    config_file: Path
    env: Mapping[str, str] = field(repr=False)
    program_env: Mapping[str, str] = field(repr=False)
    interpreter: Path
    own_interpreter: bool  # it is not the one this process runs under
    serves_program: bool  # by our language host; other languages have the CLI's own

    @property
    def cli(self) -> Path:
        return self.work.tools["pulumi"]


def ask(operation: Operation, words: Sequence[str], report: Report, *, live: bool = True) -> Answer:
    """One `pulumi` process with an event log, to its end. live: its events are reported."""
    told: list[Told] = []
    tell = _one_at_a_time(report)

    def hear(line: str) -> None:
        item = told_by(line)
        if item is None:
            return
        told.append(item)
        event = stage_event(item)
        if event is not None and (live or isinstance(event, LogLine)):
            tell(event)

    log = operation.work.folder / "events"
    with _language_host(operation, tell) as client, listening(log, hear):
        argv = [str(operation.cli), *words, *_common(operation), "--event-log", str(log), *client]
        code, out, err = _run(operation, argv)
    return Answer(code=code, told=tuple(told), stderr=err, stdout=out)


def ask_plainly(operation: Operation, words: Sequence[str], stdin: bytes = b"") -> Answer:
    """One `pulumi` process that tells no events; its whole standard output is in the answer."""
    argv = [str(operation.cli), *words, "--non-interactive", "--color", "never"]
    argv += ["--stack", operation.stack]
    code, out, err = _run(operation, argv, stdin=stdin, keep=None)
    return Answer(code=code, stderr=err, stdout=out)


def _common(operation: Operation) -> list[str]:
    return [
        "--non-interactive",
        "--color",
        "never",
        "--suppress-progress",
        "--stack",
        operation.stack,
        "--config-file",
        str(operation.config_file),
    ]


@contextmanager
def _language_host(operation: Operation, tell: Report) -> Iterator[list[str]]:
    """The words that make the CLI use our language host, while it is served."""
    with language_host(operation, tell) as address:
        yield ["--client", address, "--exec-kind", "auto.inline"] if address else []


@contextmanager
def language_host(operation: Operation, tell: Report) -> Iterator[str]:
    """Where our language host is served meanwhile; "" for programs that the CLI hosts itself."""
    if not operation.serves_program:
        yield ""
        return
    from orchestrator.pulumi.program_server import ProgramSource, serving

    source = ProgramSource(
        start=_starter(operation),
        script=operation.cli.resolve().parent / EXEC_SCRIPT,
        interpreter=operation.interpreter,
        env=operation.program_env,
        on_line=lambda stream, text: tell(LogLine(text=text, stream=stream)),
    )
    with serving(source) as address:
        yield address


def _starter(operation: Operation) -> Callable[[ProgramOrder], Running]:
    """Forked warm where the program runs under our own interpreter and one was opened."""
    forker = opened_interpreter()

    def start(order: ProgramOrder) -> Running:
        if forker is not None and not operation.own_interpreter:
            with suppress(BrokenPipeError, ConnectionError):  # somebody ended it: slower, then
                return forker.run(order)
        return start_process(operation.interpreter, order)

    return start


def _run(
    operation: Operation, argv: Sequence[str], *, stdin: bytes = b"", keep: int | None = LAST_LINES
) -> tuple[int, tuple[str, ...], tuple[str, ...]]:
    lines: dict[str, deque[str]] = {
        "stdout": deque(maxlen=keep),
        "stderr": deque(maxlen=LAST_LINES),
    }
    code = run(
        argv,
        work=operation.work,
        env=operation.env,
        directory=operation.directory,
        on_line=lambda stream, text: lines[stream].append(text),
        stdin=stdin,
    )
    return code, tuple(lines["stdout"]), tuple(lines["stderr"])


def _one_at_a_time(report: Report) -> Report:
    """Events come from several threads here; whoever hears them need not know."""
    lock = threading.Lock()

    def tell(event: StageEvent) -> None:
        with lock:
            report(event)

    return tell
