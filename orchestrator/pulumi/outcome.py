"""What did an update or destroy do to the world? Pure: reads an answer, asks nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.model.definitions import Cause
from orchestrator.model.errors import ExecutorError
from orchestrator.model.runs import Failure, Outcome, Status
from orchestrator.model.types import ValueType
from orchestrator.pulumi.answer import Answer, changes_of, root_outputs
from orchestrator.pulumi.failures import failures_of
from orchestrator.pulumi.outputs import exposed, typed_outputs


def outcome_of(
    answer: Answer,
    *,
    stage: str,
    project: Path,
    declared: Mapping[str, ValueType],
    revealed: Mapping[str, Any],
    asked_to_stop: str = "",
    notes: tuple[str, ...] = (),
) -> Outcome:
    """revealed: values of secret outputs. asked_to_stop: "", "cancelled" or "timeout".

    Raises ExecutorError where the answer cannot tell what is true.
    """
    notes = (*notes, *_warnings(answer))
    if answer.code == 0:
        return _success(answer, declared=declared, revealed=revealed, notes=notes)
    changes = changes_of(answer)
    if asked_to_stop and asked_to_stop != "timeout":
        return Outcome(status=Status.CANCELLED, changes=changes, notes=notes)
    if asked_to_stop:
        late = Failure(where=f"stage {stage}", what="did not end in its time", cause=Cause.TIMEOUT)
        return Outcome(
            status=Status.FAILED,
            changes=changes,
            failures=(late,),
            cause=Cause.TIMEOUT,
            notes=notes,
        )
    _must_tell(answer, stage)
    failures = failures_of(answer, project=project, stage=stage)
    return Outcome(status=Status.FAILED, changes=changes, failures=failures, notes=notes)


def _success(
    answer: Answer,
    *,
    declared: Mapping[str, ValueType],
    revealed: Mapping[str, Any],
    notes: tuple[str, ...],
) -> Outcome:
    shown = root_outputs(answer) or {}
    changes = changes_of(answer)
    open_secrets = exposed(shown, declared)
    if open_secrets:
        failures = tuple(
            Failure(
                where=f"output {name}",
                what=f"the program marks it secret, and it is declared {declared[name]}; "
                f"declare it secret({declared[name]})",
            )
            for name in open_secrets
        )
        return Outcome(status=Status.FAILED, changes=changes, failures=failures, notes=notes)
    outputs = typed_outputs(shown, declared, revealed)
    return Outcome(status=Status.SUCCEEDED, changes=changes, outputs=outputs, notes=notes)


def _must_tell(answer: Answer, stage: str) -> None:
    """A process that ended by itself without a summary, after it began to change something,
    leaves us without knowledge; so does a signal that nobody here sent."""
    if answer.code < 0:
        raise ExecutorError(
            f"Pulumi was killed by signal {-answer.code} in stage {stage}; nobody here sent it.",
            holds="What it had finished stands in the stack's state.",
            next="Look at the stack, then run the stage again: it finds unfinished creates.",
        )
    if answer.changed_something and answer.summary is None:
        raise ExecutorError(
            f"Pulumi ended with exit code {answer.code} in the middle of stage {stage}: "
            f"{_last(answer)}",
            holds="What it had finished stands in the stack's state.",
        )


def _last(answer: Answer) -> str:
    return next((line for line in reversed(answer.stderr) if line.strip()), "it said nothing")


def _warnings(answer: Answer) -> Iterator[str]:
    seen: set[str] = set()
    for message in answer.messages:
        first = message.text.strip().splitlines()[0] if message.text.strip() else ""
        if message.severity == "warning" and first and first not in seen:
            seen.add(first)
            yield first
    if answer.summary is not None and answer.summary.corrupt:
        yield "Pulumi says that the stack's state may be corrupt"
