"""Is a program run as it is written, and is what it says the outcome?"""

import sys
from datetime import timedelta

import pytest

from orchestrator import procs
from orchestrator.model.definitions import Cause, CommandSpec
from orchestrator.model.errors import DefinitionError, ToolError
from orchestrator.model.events import LogLine, StageEvent
from orchestrator.model.runs import RowCertainty, Status
from orchestrator.model.types import TypeName, ValueType
from orchestrator.model.values import Secret
from orchestrator.model.work import Cancel
from orchestrator.steps.command import CommandExecutor
from tests.steps.conftest import Heard, WorkFor

STEP = CommandExecutor()


def sh(script: str) -> CommandSpec:
    return CommandSpec(run=("sh", "-c", script))


def test_success_with_outputs(work_for: WorkFor, heard: Heard) -> None:
    """What the program writes to its output file are the outputs; what it prints is told."""
    written = '{"port": 80, "of": {"a": [1]}}'
    script = f"echo hello; echo careful >&2; echo '{written}' > $ORCHESTRATOR_OUTPUT"
    outcome = STEP.apply(work_for(sh(script)), heard)
    assert outcome.status is Status.SUCCEEDED
    assert outcome.outputs == {"port": 80, "of": {"a": [1]}}
    assert outcome.changes.any
    assert LogLine(text="hello") in heard
    assert LogLine(text="careful", stream="stderr", severity="warning") in heard


def test_no_output_file(work_for: WorkFor, heard: Heard) -> None:
    """A program need not write outputs; those of an earlier attempt are not taken for its own."""
    work = work_for(CommandSpec(run=("true",)))
    (work.folder / "command-outputs.json").write_text('{"old": 1}')
    assert STEP.apply(work, heard).outputs == {}


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("[1]", "JSON object"),
        ("{", "Expecting property name"),
        ('{"a": NaN}', "NaN is no JSON"),
    ],
)
def test_outputs_that_cannot_be_read(
    work_for: WorkFor, heard: Heard, written: str, reason: str
) -> None:
    """Outputs that are no JSON object make the stage fail and say why."""
    outcome = STEP.apply(work_for(sh(f"echo '{written}' > $ORCHESTRATOR_OUTPUT")), heard)
    assert outcome.status is Status.FAILED
    assert reason in outcome.failures[0].what


def test_failure_shows_the_last_lines(work_for: WorkFor, heard: Heard) -> None:
    """A program that fails is told with its exit code and the end of its errors."""
    outcome = STEP.apply(
        work_for(sh("for n in $(seq 30); do echo line $n >&2; done; exit 3")), heard
    )
    assert (outcome.status, outcome.cause) == (Status.FAILED, Cause.FAILED)
    failure = outcome.failures[0]
    assert failure.where == "sh"
    assert failure.what.startswith("it ended with exit code 3:\nline 11\n")
    assert failure.what.endswith("line 30")


def test_ended_by_a_signal(work_for: WorkFor, heard: Heard) -> None:
    """A program that died says by which signal."""
    outcome = STEP.apply(work_for(sh("kill -SEGV $$")), heard)
    assert outcome.failures[0].what == "it was ended by SIGSEGV"


def test_environment(work_for: WorkFor, heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    """It sees PATH, HOME, LANG, the credentials, its own variables, and nothing else of ours."""
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("HOME", "/home/ana")
    monkeypatch.setenv("OF_OURS", "1")
    spec = CommandSpec(run=("env",), env={"TOKEN": Secret("t0p"), "COUNT": 3, "ON": True})
    STEP.apply(work_for(spec, credentials={"AWS_REGION": "eu"}), heard)
    seen = dict(text.split("=", 1) for text in heard.texts())
    assert {"TOKEN": "t0p", "COUNT": "3", "ON": "true", "AWS_REGION": "eu"}.items() <= seen.items()
    assert set(seen) == {
        *("PATH", "HOME", "LANG", "AWS_REGION", "TOKEN", "COUNT", "ON"),
        *("ORCHESTRATOR_OUTPUT", "ORCHESTRATOR_ATTEMPT"),
    }


def test_directory_and_arguments(work_for: WorkFor, heard: Heard) -> None:
    """It runs where it is told, relative to the project, with its words as they are."""
    work = work_for(CommandSpec(run=("./say", "a b", "$HOME", 3, False), directory="tools"))
    folder = work.project / "tools"
    folder.mkdir()
    program = folder / "say"
    program.write_text('#!/bin/sh\npwd\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    assert STEP.apply(work, heard).status is Status.SUCCEEDED
    assert heard.texts() == [str(folder), "a b", "$HOME", "3", "false"]


def test_missing_program(work_for: WorkFor, heard: Heard) -> None:
    """A program that is not there is an error that names it, and nothing has changed."""
    with pytest.raises(ToolError, match="no-such-thing cannot be started: it was not found"):
        STEP.apply(work_for(CommandSpec(run=("no-such-thing",))), heard)


def test_secret_in_arguments_is_refused(work_for: WorkFor, heard: Heard) -> None:
    """A command line can be read by everybody: no secret goes there, nor into the error."""
    work = work_for(CommandSpec(run=("echo", Secret("t0p-secret"))))
    for act in (STEP.apply, STEP.plan):
        with pytest.raises(DefinitionError) as caught:
            act(work, heard)
        assert "give it by `env`" in str(caught.value)
        assert "t0p-secret" not in str(caught.value)


def test_cancel(work_for: WorkFor) -> None:
    """A cancelled command is cancelled, and nothing of it is left."""
    cancel = Cancel()

    def report(event: StageEvent) -> None:
        del event
        cancel.ask()

    work = work_for(sh("echo ready; sleep 600; echo never"), cancel=cancel)
    assert STEP.apply(work, report).status is Status.CANCELLED
    assert procs.marked(work.mark) == ()


def test_timeout(work_for: WorkFor, heard: Heard) -> None:
    """One that takes too long has failed, for that cause."""
    work = work_for(CommandSpec(run=("sleep", "600")), timeout=timedelta(milliseconds=100))
    outcome = STEP.apply(work, heard)
    assert (outcome.status, outcome.cause) == (Status.FAILED, Cause.TIMEOUT)
    assert "did not end within 0.1s" in outcome.failures[0].what


def test_plan_is_opaque_and_runs_nothing(work_for: WorkFor, heard: Heard) -> None:
    """A plan shows the command, as opaque and never as no change, and does not run it."""
    spec = CommandSpec(run=(sys.executable, "-c", "open('made', 'w')"))
    work = work_for(spec, outputs={"port": ValueType(name=TypeName.INT)})
    plan = STEP.plan(work, heard)
    (row,) = plan.rows
    assert (row.operation, row.certainty) == ("run", RowCertainty.OPAQUE)
    assert row.address == f"""s: {sys.executable} -c 'open('"'"'made'"'"', '"'"'w'"'"')'"""
    assert plan.changes.any
    assert plan.unknown == ("port",)
    assert list(work.project.iterdir()) == []


def test_destroy_does_nothing(work_for: WorkFor, heard: Heard) -> None:
    """There is nothing to take away, and nothing is proved unchanged."""
    work = work_for(CommandSpec(run=("no-such-thing",)))
    outcome = STEP.destroy(work, heard)
    assert (outcome.status, outcome.changes.any) == (Status.SUCCEEDED, False)
    assert STEP.unchanged(work, heard) == ""
