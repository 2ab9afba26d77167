"""What does it mean to run a program of the project's own?

It is asked for nothing but its exit code and, if it likes, a JSON object of outputs in the file
that $ORCHESTRATOR_OUTPUT names. What it does to the world nobody can see: it is opaque to plans.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from orchestrator import procs
from orchestrator.model.definitions import Cause, CommandSpec
from orchestrator.model.events import LogLine
from orchestrator.model.runs import Changes, Failure, Outcome, Plan, Row, RowCertainty, Status
from orchestrator.model.values import Value
from orchestrator.model.work import Work
from orchestrator.ports import Report
from orchestrator.steps.texts import open_text_of, text_of

OUTPUT = "ORCHESTRATOR_OUTPUT"
OUTPUT_FILE = "command-outputs.json"  # in the attempt's folder
LARGEST_OUTPUT = 16 * 1024 * 1024  # bytes
PASSED_ON = ("PATH", "HOME", "LANG")
LAST_LINES = 20
RAN = Changes(update=1)  # what it changed is unknown, and that is never "no changes"


class CommandExecutor:
    """Runs `spec.run` in the project's folder, without a shell and without our environment."""

    def plan(self, work: Work, report: Report) -> Plan:  # noqa: ARG002  # there is nothing to tell
        row = Row(
            address=f"{work.stage}: {shlex.join(_argv(work))}",
            operation="run",
            certainty=RowCertainty.OPAQUE,
        )
        return Plan(rows=(row,), changes=RAN, unknown=tuple(work.outputs))

    def apply(self, work: Work, report: Report) -> Outcome:
        """Raises ToolError where the program cannot be started, DefinitionError for a secret in
        its arguments."""
        argv = _argv(work)
        file = work.folder / OUTPUT_FILE
        file.unlink(missing_ok=True)
        last: dict[str, deque[str]] = {name: deque(maxlen=LAST_LINES) for name in _STREAMS}

        def on_line(stream: str, text: str) -> None:
            last[stream].append(text)
            severity = "warning" if stream == "stderr" else "info"
            report(LogLine(text=text, stream=stream, severity=severity))

        code = procs.run(
            argv,
            work=work,
            env=_environment(work, file),
            directory=work.project / _spec(work).directory,
            on_line=on_line,
            polite=signal.SIGTERM,  # a shell that waits for its child would not answer SIGINT
        )
        if work.cancel.asked:
            return _stopped(work, argv[0])
        if code != 0:
            return _failed(argv[0], _exit(code), last["stderr"] or last["stdout"])
        return _outcome_of(argv[0], file)

    def destroy(self, work: Work, report: Report) -> Outcome:  # noqa: ARG002  # nothing is asked
        """A command has nothing to take away; its stage's `destroy` is a command of its own."""
        return Outcome(status=Status.SUCCEEDED)

    def unchanged(self, work: Work, report: Report) -> str:  # noqa: ARG002  # nobody can see it
        return ""


_STREAMS = ("stdout", "stderr")


def _spec(work: Work) -> CommandSpec:
    assert isinstance(work.spec, CommandSpec)
    return work.spec


def _argv(work: Work) -> tuple[str, ...]:
    where, instead = "its arguments", "give it by `env`"
    return tuple(
        open_text_of(word, stage=work.stage, where=where, instead=instead)
        for word in _spec(work).run
    )


def _environment(work: Work, file: Path) -> Mapping[str, str]:
    ours = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    own = {name: text_of(value) for name, value in _spec(work).env.items()}
    return {"PATH": os.defpath, **ours, **work.credentials, **own, OUTPUT: str(file)}


def _exit(code: int) -> str:
    if code >= 0:
        return f"it ended with exit code {code}"
    try:
        return f"it was ended by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal has no name
        return f"it was ended by signal {-code}"


def _stopped(work: Work, program: str) -> Outcome:
    if work.cancel.reason != "timeout":
        return Outcome(status=Status.CANCELLED, changes=RAN)
    what = f"it did not end within {work.timeout.total_seconds():g}s"
    failure = Failure(where=program, what=what, cause=Cause.TIMEOUT)
    return Outcome(status=Status.FAILED, changes=RAN, failures=(failure,), cause=Cause.TIMEOUT)


def _failed(program: str, what: str, last_lines: deque[str] | tuple[()] = ()) -> Outcome:
    said = "\n".join(last_lines).strip()
    failure = Failure(where=program, what=f"{what}:\n{said}" if said else what)
    return Outcome(status=Status.FAILED, changes=RAN, failures=(failure,))


def _outcome_of(program: str, file: Path) -> Outcome:
    try:
        outputs = _outputs(file)
    except ValueError as error:
        return _failed(program, f"it wrote outputs that cannot be read: {error}")
    return Outcome(status=Status.SUCCEEDED, changes=RAN, outputs=outputs)


def _outputs(file: Path) -> Mapping[str, Value]:
    """What the program wrote; nothing where it wrote nothing. Raises ValueError."""
    if not file.exists():
        return {}
    if not file.is_file() or file.is_symlink():
        raise ValueError(f"${OUTPUT} is no longer a file")
    if file.stat().st_size > LARGEST_OUTPUT:
        raise ValueError(f"more than {LARGEST_OUTPUT // 1024 // 1024} MiB")
    text = file.read_text(encoding="utf-8")
    if not text.strip():
        return {}
    outputs = json.loads(text, parse_constant=_no_number)
    if not isinstance(outputs, dict):
        raise ValueError("they must be a JSON object, name by name")
    return outputs


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
