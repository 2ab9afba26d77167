"""What does an attempt process do, from its order to its result?

Opens its order, calls the executor of its kind, tells what goes on through the spool, writes one
result, and leaves nothing of its tool behind. It dies with its result written or not at all: who
comes later reads the folder (attempts.folder).
"""

from __future__ import annotations

import json
import shutil
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from orchestrator.attempts.folder import AttemptFolder, write_whole
from orchestrator.attempts.hints import hint, hint_name
from orchestrator.attempts.locks import FileLock
from orchestrator.attempts.spool import NO_ROOM, Spool
from orchestrator.core.outputs import output_problems, typed_outputs
from orchestrator.model.codec import encode
from orchestrator.model.definitions import Cause, StageKind
from orchestrator.model.errors import ExecutorError, OrchestratorError
from orchestrator.model.events import LogLine
from orchestrator.model.runs import Action, Failure, Outcome, Status
from orchestrator.model.values import Json, leaves, secrets_in
from orchestrator.model.work import Work
from orchestrator.ports import Redactor, Report, StageExecutor
from orchestrator.procs import become_subreaper, end_marked

Beside: TypeAlias = Callable[[Work, Report], Callable[[], None]]

WAITS_FOR_ROOM = 3600.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An opened order: the work with every secret resolved, and what may not be told."""

    work: Work
    redactor: Redactor
    seal: Callable[[Json], str]
    notes: tuple[str, ...] = ()


def carry_out(
    folder: AttemptFolder,
    *,
    opened: Callable[[AttemptFolder], Order],
    executors: Mapping[StageKind, Callable[[Work], StageExecutor]],
    now: Callable[[], datetime],
    beside: Beside = lambda *_: _nothing,
) -> None:
    """One attempt, whole. Every end but a crash leaves result.json.

    beside: called before anything is started; raises where nothing may be. What it answers with
    goes on in a thread of its own, and ends with the process.
    """
    become_subreaper()
    name = hint_name(folder.path.parent)
    try:
        answer = _answer(folder, opened, executors, now, name, beside)
    except OrchestratorError as error:
        answer = _error_answer(error)
    _record(folder, json.dumps(answer))
    hint(name)


def _nothing() -> None:
    """Nothing goes on beside."""


def _record(folder: AttemptFolder, answer: str) -> None:
    """The answer is there. On a full disk it waits for room: nobody else knows what happened."""
    deadline = time.monotonic() + WAITS_FOR_ROOM
    while True:
        try:
            write_whole(folder.result, answer)
        except OSError as error:
            if error.errno not in NO_ROOM or time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


def _answer(
    folder: AttemptFolder,
    opened: Callable[[AttemptFolder], Order],
    executors: Mapping[StageKind, Callable[[Work], StageExecutor]],
    now: Callable[[], datetime],
    name: str,
    beside: Beside,
) -> dict[str, Json]:
    order = opened(folder)
    tool_lock = FileLock.taken(folder.tool_lock)
    if tool_lock is None:
        raise ExecutorError(f"{folder.tool_lock} is held: a tool of an earlier try lives on")
    folder.private.mkdir(mode=0o700)
    work = replace(order.work, folder=folder.private, tool_lock=tool_lock.descriptor)
    executor = executors[work.kind](work)  # before any thread: it may fork helpers of its own
    spool = Spool(folder.spool, now=now, redact=order.redactor.json, hint_name=name)
    try:
        going_on = beside(work, spool)
        folder.mark_started()
        threading.Thread(target=_watch, args=(folder, work), daemon=True).start()
        threading.Thread(target=going_on, daemon=True).start()
        answer = _asked(executor, work, order, spool)
    finally:
        end_marked(work.mark, grace=work.grace if not work.cancel.harder else timedelta(0))
        shutil.rmtree(folder.private, ignore_errors=True)
        spool.close()
    return answer


def _asked(executor: StageExecutor, work: Work, order: Order, spool: Spool) -> dict[str, Json]:
    redact = order.redactor
    for note in order.notes:
        spool(LogLine(text=note, severity="warning", stream="tool"))
    try:
        if work.action is Action.PLAN:
            plan = executor.plan(work, spool)
            return {"plan": redact.json(encode(plan, order.seal))}
        if work.may_skip and (proof := executor.unchanged(work, spool)):
            return {"unchanged": redact.text(proof)}
        act = executor.destroy if work.action is Action.DESTROY else executor.apply
        outcome = act(work, spool)
        _keep_secret(work, outcome, redact)  # before anything is said about them
        outcome = _checked(work, outcome)
    except OrchestratorError as error:
        return _error_answer(error, redact)
    except Exception as error:  # noqa: BLE001  # whatever it was, the stage is lost
        # A bug of ours or of a library: once a tool was asked, the stage is lost, and says why.
        spool(LogLine(text=traceback.format_exc(), severity="error", stream="tool"))
        return _error_answer(ExecutorError(f"{type(error).__name__}: {error}"), redact)
    sealed = encode(outcome.outputs, order.seal)
    told = redact.json(encode(replace(outcome, outputs={})))
    return {"outcome": told, "outputs": sealed}


def _keep_secret(work: Work, outcome: Outcome, redact: Redactor) -> None:
    """What an output holds that is a secret, or is declared to be one, is never told."""
    declared = typed_outputs(work.outputs, outcome.outputs)
    for value in [*outcome.outputs.values(), *declared.values()]:
        for secret in secrets_in(value):
            for leaf in leaves(secret):
                redact.add(str(leaf))


def _checked(work: Work, outcome: Outcome) -> Outcome:
    """The outcome with its declared outputs, or FAILED saying which did not come."""
    if outcome.status is not Status.SUCCEEDED or work.action is Action.DESTROY:
        return outcome
    outputs = typed_outputs(work.outputs, outcome.outputs)
    problems = output_problems(
        work.stage, work.outputs, {**outcome.outputs, **outputs}, where=work.where
    )
    if not problems:
        return replace(outcome, outputs=outputs)
    failures = tuple(Failure(where=work.stage, what=text) for text in problems)
    return replace(outcome, status=Status.FAILED, failures=failures, outputs={}, cause=Cause.FAILED)


def _error_answer(error: OrchestratorError, redact: Redactor | None = None) -> dict[str, Json]:
    lost = isinstance(error, ExecutorError) and error.started
    text = str(error)
    return {
        "error": {"lost": lost, "text": redact.text(text) if redact else text},
    }


def _watch(folder: AttemptFolder, work: Work) -> None:
    """Hands on what the driver asks, and the time-out; polls, for a file needs no listener."""
    deadline = time.monotonic() + work.timeout.total_seconds()
    harder = False
    while not harder:
        asked = _read(folder.cancel)
        if asked:
            harder = asked == "kill"
            work.cancel.ask("cancelled", harder=harder)
        elif time.monotonic() > deadline:
            work.cancel.ask("timeout")
        time.sleep(0.05)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
