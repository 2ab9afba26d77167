"""How is a Pulumi stage carried out? One CLI process per operation, inside an attempt process.

To be started fast, an attempt calls `warm.open_interpreter()` before it does anything else.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from orchestrator.model.errors import ExecutorError, ToolError
from orchestrator.model.events import LogLine, Progress
from orchestrator.model.runs import Failure, Outcome, Plan, Status
from orchestrator.model.work import Work
from orchestrator.ports import Report
from orchestrator.pulumi.answer import Answer, root_outputs
from orchestrator.pulumi.cli import ask
from orchestrator.pulumi.failures import failures_of
from orchestrator.pulumi.mirror import mirrored
from orchestrator.pulumi.outcome import outcome_of
from orchestrator.pulumi.outputs import wanted_secrets
from orchestrator.pulumi.pending import Pending, advice, pending_in
from orchestrator.pulumi.place import StoreStack
from orchestrator.pulumi.prepare import Prepared, Surroundings, prepared_for
from orchestrator.pulumi.preview import is_unchanged, plan_of
from orchestrator.pulumi.secret_outputs import SecretOutputs
from orchestrator.pulumi.stack_state import adopt, make_stack, remove_stack, state_of


class PlanFailed(ToolError):
    """A preview failed, or was stopped; it changes nothing."""

    def __init__(self, stage: str, failures: tuple[Failure, ...]) -> None:
        first = failures[0]
        place = f" ({first.file})" if first.file else ""
        super().__init__(
            f"Stage '{stage}' cannot be planned: {first.where}{place}: {first.what}",
            holds="Nothing was changed.",
        )
        self.failures = failures


class PulumiExecutor:
    """Implements ports.StageExecutor."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    def plan(self, work: Work, report: Report) -> Plan:
        """A refreshed preview's rows. Raises PlanFailed."""
        with prepared_for(work, self._around) as prepared:
            return _plan(prepared, report)

    def apply(self, work: Work, report: Report) -> Outcome:
        """One `up` without a preview; unfinished creates of a killed one are taken in before."""
        with prepared_for(work, self._around) as prepared:
            return _apply(prepared, report)

    def destroy(self, work: Work, report: Report) -> Outcome:
        """Takes all resources away, then the empty stack and what was kept for it."""
        with prepared_for(work, self._around) as prepared:
            return _destroy(prepared, report)

    def unchanged(self, work: Work, report: Report) -> str:
        """A refreshed preview that shows no change, neither of resources nor of outputs."""
        with prepared_for(work, self._around) as prepared:
            return _unchanged(prepared, report)


def _plan(prepared: Prepared, report: Report) -> Plan:
    work = prepared.operation.work
    with _stack_for_now(prepared) as new:
        if not new:
            _warn_of_pending(prepared, report)
        words = ("preview", *_refresh(prepared), *_parallel(prepared))
        answer = ask(prepared.operation, words, report, live=False)
        if answer.code != 0:
            raise PlanFailed(work.stage, _plan_failures(work, answer))
        known = SecretOutputs(prepared)
        unchanged = is_unchanged(answer) and not new
        names = wanted_secrets(root_outputs(answer) or {}, work.outputs)
        return plan_of(answer, work.outputs, known.read(names) if unchanged else {})


def _apply(prepared: Prepared, report: Report) -> Outcome:
    work = prepared.operation.work
    secrets = SecretOutputs(prepared)
    notes = _freed(prepared)
    state = state_of(prepared)
    if state is None:
        make_stack(prepared)
    pending = pending_in(state or {})
    if pending.unknown:
        return _uncertain(prepared, pending, notes)
    _settle(prepared, pending, report)
    words = ("up", "--yes", "--skip-preview", *_refresh(prepared, pending.any))
    answer = _acted(prepared, (*words, *_parallel(prepared)), report)
    shown = root_outputs(answer) or {}
    names = wanted_secrets(shown, work.outputs) if answer.code == 0 else ()
    return outcome_of(
        answer,
        stage=work.stage,
        project=work.project,
        declared=work.outputs,
        revealed=secrets.read(names),
        asked_to_stop=work.cancel.reason if work.cancel.asked else "",
        notes=(*notes, *_left_pending(prepared, answer), *mirrored(prepared)),
    )


def _destroy(prepared: Prepared, report: Report) -> Outcome:
    work = prepared.operation.work
    notes = _freed(prepared)
    state = state_of(prepared)
    if state is None:
        shutil.rmtree(prepared.target.keep, ignore_errors=True)
        return Outcome(status=Status.SUCCEEDED, notes=notes)
    pending = pending_in(state)
    if pending.unknown:
        return _uncertain(prepared, pending, notes)
    _settle(prepared, pending, report)
    words = ("destroy", "--yes", "--skip-preview", *_parallel(prepared))
    answer = _acted(prepared, words, report)
    outcome = outcome_of(
        answer,
        stage=work.stage,
        project=work.project,
        declared={},
        revealed={},
        asked_to_stop=work.cancel.reason if work.cancel.asked else "",
        notes=(*notes, *_left_pending(prepared, answer)),
    )
    if outcome.status is Status.SUCCEEDED:
        remove_stack(prepared)
        shutil.rmtree(prepared.target.keep, ignore_errors=True)
    return replace(outcome, notes=(*outcome.notes, *mirrored(prepared)))


def _unchanged(prepared: Prepared, report: Report) -> str:
    state = state_of(prepared)
    if state is None or pending_in(state).any:
        return ""
    words = ("preview", "--refresh", *_parallel(prepared))
    answer = ask(prepared.operation, words, report, live=False)
    if not is_unchanged(answer) or mirrored(prepared):  # whose note is told where it is applied
        return ""
    return "refreshed preview: no changes"


def _acted(prepared: Prepared, words: tuple[str, ...], report: Report) -> Answer:
    """The answer of an act. Raises ExecutorError where its writes were refused on the way."""
    answer = ask(prepared.operation, words, report)
    place = prepared.place
    if isinstance(place, StoreStack) and place.refused:
        raise ExecutorError(
            place.refused,
            holds="Pulumi was stopped; what it did in its last step is not in the state.",
        )
    return answer


def _refresh(prepared: Prepared, needed: bool = False) -> tuple[str, ...]:
    return ("--refresh",) if prepared.spec.refresh or needed else ()


def _parallel(prepared: Prepared) -> tuple[str, ...]:
    width = prepared.spec.parallel
    return ("--parallel", str(width)) if width else ()


def _freed(prepared: Prepared) -> tuple[str, ...]:
    """Locks of dead processes of this machine are removed: the attempt holds our own lease.

    Raises Locked, Fenced or Refused where the store knows that an update would be refused.
    """
    if prepared.place is None:
        return ()
    prepared.place.check_free()
    return tuple(
        f"removed the stack's lock of a dead process: {holder}"
        for holder in prepared.place.remove_dead_locks()
    )


def _uncertain(prepared: Prepared, pending: Pending, notes: tuple[str, ...]) -> Outcome:
    """Nothing is run while a resource may or may not exist that only a person can look for."""
    name = prepared.operation.stack
    failure = Failure(where=f"stack {name}", what=advice(pending, name))
    return Outcome(status=Status.FAILED, failures=(failure,), notes=notes)


def _settle(prepared: Prepared, pending: Pending, report: Report) -> None:
    """Unfinished creates are taken into the state: a refresh looks for them, a destroy deletes."""
    if not pending.ids and not pending.inner:
        return
    if pending.ids:
        report(Progress(text=f"taking {len(pending.ids)} unfinished creates into the state"))
    adopt(prepared, pending)


def _left_pending(prepared: Prepared, answer: Answer) -> tuple[str, ...]:
    """What a stopped or failed process left unfinished, where it can be read at no cost."""
    if answer.code == 0 or prepared.place is None:
        return ()
    pending = pending_in(prepared.place.deployment())
    if pending.unknown:
        return (advice(pending, prepared.operation.stack),)
    if pending.ids:
        return (f"{len(pending.ids)} unfinished creates; the next run takes them in",)
    return ()


def _warn_of_pending(prepared: Prepared, report: Report) -> None:
    pending = pending_in(state_of(prepared) or {})
    if pending.ids or pending.unknown:
        text = "creates of a killed run are unfinished; the preview shows them as new"
        report(LogLine(text=text, stream="tool", severity="warning"))


@contextmanager
def _stack_for_now(prepared: Prepared) -> Iterator[bool]:
    """Whether the stack had to be made for a preview; if so it is gone again afterwards."""
    new = state_of(prepared) is None
    if new and prepared.place is not None:
        prepared.place.make_for_now()
    elif new:
        make_stack(prepared)
    try:
        yield new
    finally:
        if new and prepared.place is not None:
            prepared.place.unmake()
        elif new:
            remove_stack(prepared)


def _plan_failures(work: Work, answer: Answer) -> tuple[Failure, ...]:
    if work.cancel.asked:
        return (Failure(where=f"stage {work.stage}", what=f"stopped: {work.cancel.reason}"),)
    return failures_of(answer, project=work.project, stage=work.stage)
