"""Do answers that the real CLI once gave still read the same? (Trimmed of long values only.)"""

from pathlib import Path

import pytest

from orchestrator.model.errors import ExecutorError
from orchestrator.model.events import ResourceEvent
from orchestrator.model.runs import Changes, Failure, Outcome, Status
from orchestrator.model.types import parse_type
from orchestrator.pulumi.answer import Answer, root_outputs
from orchestrator.pulumi.events import Message, stage_event, told_by
from orchestrator.pulumi.outcome import outcome_of
from orchestrator.pulumi.preview import is_unchanged, plan_of

RECORDED = Path(__file__).parent / "recorded"
ROOT = Path("/project")


def recorded(name: str, code: int = 0, stderr: tuple[str, ...] = ()) -> Answer:
    """The answer whose event log is kept under that name."""
    lines = (RECORDED / f"{name}.jsonl").read_text().splitlines()
    told = tuple(item for line in lines if (item := told_by(line)) is not None)
    return Answer(code=code, told=told, stderr=stderr)


def outcome(answer: Answer, asked_to_stop: str = "") -> Outcome:
    return outcome_of(
        answer,
        stage="site",
        project=ROOT,
        declared={"v": parse_type("int")},
        revealed={},
        asked_to_stop=asked_to_stop,
    )


def shown(answer: Answer) -> list[tuple[str, str, str]]:
    events = (stage_event(item) for item in answer.told)
    return [(e.operation, e.name, e.state) for e in events if isinstance(e, ResourceEvent)]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("create", Changes(create=3)),
        ("same", Changes(same=3)),
        ("update", Changes(update=1, same=2)),
        ("drift", Changes(create=1, update=1, same=1)),
        ("replace", Changes(replace=1, same=2)),
        ("destroy", Changes(delete=3)),
    ],
)
def test_counts_are_those_of_pulumi(name: str, changes: Changes) -> None:
    """Counts equal the CLI's own summary; default providers are not counted."""
    result = outcome(recorded(name))
    assert (result.status, result.changes) == (Status.SUCCEEDED, changes)


def test_declared_outputs_come() -> None:
    """An output of the stack is read from the events."""
    assert outcome(recorded("update")).outputs == {"v": 5}


def test_warnings_become_notes() -> None:
    """A warning of the program is a note, once."""
    assert outcome(recorded("create")).notes == ("careful <b>",)


def test_replace_shows_its_two_halves() -> None:
    """A replacement is told as making the new and taking away the old, without a third bracket."""
    halves = [event for event in shown(recorded("replace")) if event[0] == "replace"]
    assert halves == [
        ("replace", "a", "started"),
        ("replace", "a", "done"),
        ("replace", "a", "started"),
        ("replace", "a", "done"),
    ]


def test_an_unchanged_stack_tells_nothing() -> None:
    """Refreshes that find nothing new, and what stays the same, are not shown; drift is."""
    assert shown(recorded("same")) == []
    refreshed = [event for event in shown(recorded("drift")) if event[0] == "refresh"]
    assert sorted(refreshed) == [("refresh", "a", "done"), ("refresh", "b", "done")]


def test_failed_resource() -> None:
    """The cause is the provider's message; "update failed" is no cause."""
    result = outcome(recorded("failed", 1))
    assert result.status is Status.FAILED
    assert result.failures == (
        Failure(where="pulumi-python:dynamic:Resource b", what="no room for b"),
    )
    assert result.changes == Changes(same=2)


def test_thrown_program() -> None:
    """The place is the last frame inside the project, the message the traceback's end."""
    (failure,) = outcome(recorded("thrown", 1)).failures
    assert failure.file == "stacks/site/__main__.py:26"
    assert failure.what.endswith("ValueError: thrown")


def test_preview_rows() -> None:
    """A preview becomes rows with type, name, operation and the paths that change."""
    plan = plan_of(recorded("preview_drift"), {"v": parse_type("int")}, {})
    assert [(row.address, row.operation) for row in plan.rows] == [
        ("pulumi-python:dynamic:Resource a", "update"),
        ("pulumi-python:dynamic:Resource b", "create"),
    ]
    assert plan.changes == Changes(create=1, update=1, same=1)
    assert plan.outputs == {"v": 5}


def test_drift_is_not_unchanged() -> None:
    """Neither a row nor a refresh that found something else is "unchanged"."""
    assert not is_unchanged(recorded("preview_drift"))
    assert not is_unchanged(recorded("preview_create"))
    assert is_unchanged(recorded("same"))


def test_changed_output_is_not_unchanged() -> None:
    """A preview without rows whose outputs differ would change the state."""
    assert not is_unchanged(_without_rows(recorded("update")))


def test_no_output_without_the_stack_itself() -> None:
    """A destroyed stack has no outputs, an answer without events knows none."""
    assert root_outputs(Answer(code=1)) is None


@pytest.mark.parametrize("asked", ["cancelled", "timeout"])
def test_stopped(asked: str) -> None:
    """What was stopped on purpose says so; what it did before is counted."""
    result = outcome(_cut(recorded("create", -2)), asked)
    wanted = Status.CANCELLED if asked == "cancelled" else Status.FAILED
    assert result.status is wanted


def test_success_although_asked_to_stop() -> None:
    """An update that ended well before it heard of the wish to stop did succeed."""
    assert outcome(recorded("create"), "cancelled").status is Status.SUCCEEDED


@pytest.mark.parametrize("code", [-9, 2, 255])
def test_not_knowing_is_lost(code: int) -> None:
    """Killed by a stranger, or ended in the middle of a change without a summary: nobody knows."""
    with pytest.raises(ExecutorError):
        outcome(_cut(recorded("create", code)))


def test_refused_before_anything_began() -> None:
    """Without events, the reason is what the CLI wrote on stderr."""
    answer = Answer(code=1, stderr=("warning: x", "error: no Pulumi.yaml project file found", ""))
    (failure,) = outcome(answer).failures
    assert failure.what == "no Pulumi.yaml project file found"


def test_debug_lines_are_not_read() -> None:
    """The engine's debug lines hold secrets in clear: they become nothing."""
    line = '{"diagnosticEvent":{"message":"string_value: \\"hush\\"","severity":"debug"}}'
    assert told_by(line) is None
    assert told_by('{"torn": ') is None


def test_colours_are_taken_off() -> None:
    """Colour marks of the engine do not reach a person."""
    line = (
        '{"diagnosticEvent":{"message":"<{%fg 1%}>error:<{%reset%}> no\\n","severity":"error",'
        '"urn":"urn:pulumi:dev::p::t:m:C::a"}}'
    )
    told = told_by(line)
    assert isinstance(told, Message)
    assert told.text == "error: no"


def _cut(answer: Answer) -> Answer:
    """The same answer, had the process ended in the middle."""
    return Answer(code=answer.code, told=answer.told[: len(answer.told) // 2 + 2])


def _without_rows(answer: Answer) -> Answer:
    quiet = [t for t in answer.told if getattr(t, "operation", "same") == "same"]
    return Answer(code=0, told=tuple(quiet))
