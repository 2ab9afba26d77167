"""How does a run go on? The loop: events into the core, its commands out, one transaction each.

It may die at any point. What the store does not say, the attempts' folders do, and whoever adopts
the run reads both (services.runs.adopt).
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeAlias

from orchestrator.attempts.folder import AttemptFolder, Proof
from orchestrator.attempts.hints import Hints, hint_name
from orchestrator.core import moves
from orchestrator.core.graph import Graph
from orchestrator.core.run_state import RunState
from orchestrator.core.scheduler import advance
from orchestrator.model.codec import encode
from orchestrator.model.errors import Fenced, OrchestratorError, StoreError
from orchestrator.model.events import Recorded, RunEvent
from orchestrator.model.runs import (
    LEASE_LASTS,
    RENEW_EVERY,
    Action,
    Failure,
    Outcome,
    RequestKind,
    Run,
    RunStatus,
    StageRun,
    Status,
)
from orchestrator.model.values import Json
from orchestrator.model.work import Work
from orchestrator.ports import Transaction
from orchestrator.services.app import App
from orchestrator.services.covering import covered_by
from orchestrator.services.interrupts import Interrupts
from orchestrator.services.machine import machine_of
from orchestrator.services.orders import RunContext, StageOrder, stage_order
from orchestrator.services.standing import Standing
from orchestrator.services.sweeping import sweep
from orchestrator.services.watched import Ended, WatchedAttempt

Told: TypeAlias = RunEvent | Recorded
Listener: TypeAlias = Callable[[Told], None]

LOOK_EVERY = 0.5  # seconds; a hint makes the driver look at once
MOST_TOLD = 20_000  # events of one attempt at one look: memory stays flat …
MOST_READ = 8  # … and so many reads of the spool (4 MiB each), for events may be large


_CANCELLED = Ended(
    status=Status.CANCELLED,
    outcome=Outcome(status=Status.CANCELLED),
    reason="the run was to stop before this stage had begun",
)


class Driver:
    """Drives one run to its end, or until it waits for a person."""

    def __init__(
        self,
        app: App,
        context: RunContext,
        graph: Graph,
        state: RunState,
        stages: Iterable[StageRun],
        *,
        listener: Listener,
        interrupts: Interrupts,
        only_hosts: Mapping[str, tuple[str, ...]] | None = None,
        borrowed: Mapping[str, Mapping[str, Json]] | None = None,
        elsewhere: str = "",
    ) -> None:
        """elsewhere: the machine that has the attempts under way, where it is another one."""
        self._app = app
        self._context = context
        self._run = context.run
        self._state = state
        self._stages = {stage.stage: stage for stage in stages}
        self._listener = listener
        self._interrupts = interrupts
        self._only_hosts = dict(only_hosts or {})
        self._borrowed = dict(borrowed or {})  # outputs of `once` stages that ran elsewhere
        self._elsewhere = elsewhere
        self._attempts: dict[str, WatchedAttempt] = {}
        self._behind: set[str] = set()  # stages whose spool holds more than the last look took
        self._refused: list[moves.Event] = []  # starts that failed before an attempt existed
        self._asked = 0  # requests seen
        self._interrupted = 0  # Ctrl-C seen
        self._renew_at = app.clock.now()
        with app.store.read() as tx:
            self._standing = Standing(tx, self._run, graph)

    def drive(self) -> Run:
        """The run as it ended (or waits). What it told on the way went to the listener."""
        name = hint_name(self._app.run_folder(self._run.key))
        hints = Hints(name)
        self._interrupts.hint_name = name
        try:
            self._adopt()
            self._step([moves.Began()])
            while not self._run.status.ended:
                if not self._refused and not self._behind:
                    hints.wait(self._patience())
                self._step([])
        except Fenced:  # another one drives the run by now: what runs here runs beside it
            for attempt in self._attempts.values():
                attempt.folder.ask_cancel("kill")
            raise
        finally:
            hints.close()
        with contextlib.suppress(OrchestratorError, OSError):  # the next run does it
            sweep(self._app, self._run.key)
        return self._run

    def _step(self, events: list[moves.Event]) -> None:
        """What is new is recorded together with what the core makes of it; then it is done."""
        now = self._app.clock.now()
        self._keep_lease(now)
        self._behind.clear()
        told = {name: self._told(name, attempt) for name, attempt in self._attempts.items()}
        ended = {
            name: end
            for name, attempt in self._attempts.items()
            # its folder goes with its end: not before all that it told is taken in
            if name not in self._behind and (end := attempt.ended(self._app.grace)) is not None
        }
        for name in ended:  # the tail that came between the look and the end
            while more := self._attempts[name].told():
                told[name] += more
        events += self._refused
        self._refused = []
        events += self._asked_for()
        events += [self._event(name, end) for name, end in ended.items()]
        wake = self._state.next_wake
        if wake is not None and now >= wake:
            events.append(moves.Woke())
        if not events and not any(told.values()):
            return
        self._commit(now, told, ended, events)

    def _commit(
        self,
        now: datetime,
        told: Mapping[str, tuple[Recorded, ...]],
        ended: Mapping[str, Ended],
        events: list[moves.Event],
    ) -> None:
        happened: list[RunEvent] = []
        with self._app.store.write() as tx:
            self._check_lease(tx)
            for recorded in told.values():
                if recorded:
                    tx.add_recorded(self._run.key, recorded)
            for name, end in ended.items():
                self._record_end(tx, name, end, now)
            commands = advance(self._state, events, now) if events else ()
            starts = [c for c in commands if isinstance(c, moves.Start)]
            for command in commands:
                happened += self._record(tx, command, now)
            for event in happened:
                tx.add_run_event(self._run.key, event)
        for recorded in told.values():
            for row in recorded:
                self._listener(row)
        for event in happened:
            self._listener(event)
        for name in ended:
            self._attempts.pop(name).folder.remove()
        for command in commands:
            if isinstance(command, moves.CancelStage) and command.stage in self._attempts:
                self._attempts[command.stage].folder.ask_cancel("cancelled")
        for start in starts:
            self._start(start)

    def _keep_lease(self, now: datetime) -> None:
        """Others see that this run lives. Raises Fenced where the lease is another's."""
        if now < self._renew_at:
            return
        key = self._run.key
        with self._app.store.write() as tx:
            tx.renew_lease(
                key.pipeline, key.environment, self._run.lease_token, until=now + LEASE_LASTS
            )
        self._renew_at = now + RENEW_EVERY

    # what attempts and people say

    def _told(self, name: str, attempt: WatchedAttempt) -> tuple[Recorded, ...]:
        rows: tuple[Recorded, ...] = ()
        for _ in range(MOST_READ):
            more = attempt.told()
            rows += more
            if not more or len(rows) > MOST_TOLD:
                break
        if more:  # the rest comes with the next look
            self._behind.add(name)
        return rows

    def _event(self, name: str, end: Ended) -> moves.Event:
        number = self._attempts[name].number
        if end.status is Status.LOST:
            return moves.Lost(stage=name, attempt=number, reason=end.reason)
        return moves.Finished(
            stage=name, attempt=number, status=end.status, cause=end.cause, reason=end.reason
        )

    def _asked_for(self) -> list[moves.Event]:
        """Ctrl-C is a request like any other: whoever takes the run over hears it too."""
        events: list[moves.Event] = []
        while self._interrupted < self._interrupts.count:
            self._interrupted += 1
            kinds = (RequestKind.HOLD_STARTS, RequestKind.CANCEL, RequestKind.KILL)
            kind = kinds[min(self._interrupted, 3) - 1]
            try:
                self._record_wish(kind)
            except StoreError:  # it is heard all the same
                events += self._stop(kind)
        with self._app.store.read() as tx:
            requests = tx.requests(self._run.key, after=self._asked)
        for request in requests:
            self._asked = request.number
            events += self._stop(request.kind)
        return events

    def _record_wish(self, kind: RequestKind) -> None:
        key, now = self._run.key, self._app.clock.now()
        with self._app.store.write() as tx:
            tx.add_request(key, kind, by=self._app.actor, at=now)
            tx.audit(
                actor=self._app.actor, verb=f"run.{kind.value}", subject=str(key), at=now, body={}
            )

    def _stop(self, kind: RequestKind) -> list[moves.Event]:
        if kind is RequestKind.HOLD_STARTS:
            return [moves.StartsHeld()]
        if kind is RequestKind.KILL:
            for attempt in self._attempts.values():
                attempt.folder.ask_cancel("kill")
        return [moves.CancelAsked()]

    # what becomes of it in the store

    def _record_end(self, tx: Transaction, name: str, end: Ended, now: datetime) -> None:
        """What the attempt did; whether the stage has ended with it is for the core to say."""
        stage, outcome = self._stages[name], end.outcome
        outputs = end.outputs
        if end.status is Status.SKIPPED:
            outputs = self._standing.outputs(name) or outputs
        stage = replace(
            stage,
            status=end.status,
            ended_at=now,
            changes=outcome.changes,
            outputs=outputs,
            failures=outcome.failures,
            hosts=outcome.hosts,
            notes=outcome.notes,
            reason=end.reason,
        )
        self._save(tx, stage)
        self._standing.place(tx, stage, now)

    def _record(self, tx: Transaction, command: moves.Command, now: datetime) -> list[RunEvent]:
        match command:
            case moves.Start(stage=name, attempt=number):
                stage = self._stages[name]
                again = number > 1 and stage.attempts > 0
                stage = replace(
                    stage,
                    status=Status.RUNNING,
                    attempts=number,
                    started_at=stage.started_at if again and stage.started_at else now,
                    ended_at=None,
                    reason="",
                )
                self._save(tx, stage)
                return [self._happened("stage.started", stage, now)]
            case moves.StageEnded(stage=name, status=status, reason=reason):
                stage = self._stages[name]
                stage = replace(
                    stage,
                    status=status,
                    reason=reason or stage.reason,
                    ended_at=stage.ended_at or now,
                )
                self._save(tx, stage)
                if self._run.action is Action.DESTROY and status is Status.UNNEEDED:
                    tx.take_out(self._run.key.pipeline, self._run.key.environment, name)
                return [self._happened("stage.finished", stage, now)]
            case moves.WakeAt(at=at, stage=name, attempt=number):
                when = f"attempt {number} at {at:%H:%M:%S} UTC"
                stage = replace(self._stages[name], status=Status.PENDING, reason=when)
                self._save(tx, stage)
                return [self._happened("stage.retrying", stage, now)]
            case moves.RunEnded(status=status, reason=reason):
                return [self._end_run(tx, replace(self._run, status=status, reason=reason), now)]
        return []

    def _end_run(self, tx: Transaction, run: Run, now: datetime) -> RunEvent:
        key = run.key
        self._run = replace(run, ended_at=now)
        if run.action is Action.DESTROY and run.status is RunStatus.SUCCEEDED and not run.select:
            # While the lease is held: whoever comes next lays its own release there.
            shutil.rmtree(self._context.tree, ignore_errors=True)
        tx.save_run(self._run)
        tx.release_lease(key.pipeline, key.environment, run.lease_token)
        tx.audit(
            actor=run.requested_by,
            verb=f"{run.action.value}.ended",
            subject=str(key),
            at=now,
            body={"status": run.status.value, "reason": run.reason},
        )
        return RunEvent(
            type="run.ended",
            run=self._app.spoken(key),
            at=now,
            body={
                "status": run.status.value,
                "reason": run.reason,
                "seconds": (now - run.started_at).total_seconds(),
            },
        )

    def _save(self, tx: Transaction, stage: StageRun) -> None:
        tx.save_stage_run(stage)
        self._stages[stage.stage] = stage

    def _happened(self, type_: str, stage: StageRun, now: datetime) -> RunEvent:
        body: dict[str, Json] = {
            "kind": stage.kind.value,
            "status": stage.status.value,
            "attempt": stage.attempts,
            "reason": stage.reason,
        }
        if type_ != "stage.started":
            started = stage.started_at or now
            body |= {
                "seconds": (now - started).total_seconds(),
                "changes": encode(stage.changes),
                "failures": encode(stage.failures),
                "hosts": encode(stage.hosts),
                "notes": encode(stage.notes),
            }
        run = self._app.spoken(self._run.key)
        return RunEvent(type=type_, run=run, at=now, stage=stage.stage, body=body)

    # attempts

    def _start(self, start: moves.Start) -> None:
        """The attempt lives; or the core hears at the next step why it does not."""
        name, number = start.stage, start.attempt
        try:
            order = self._order(name, number)
            with self._app.store.write() as tx:
                self._check_lease(tx)
                self._cover(tx, order.work)
                self._save(tx, replace(self._stages[name], inputs_digest=order.digest))
            folder = AttemptFolder.made(order.work.folder, encode(order.work, self._app.vault.seal))
            self._app.start_attempt(folder, order.variables)
        except Fenced:
            raise
        except (OrchestratorError, ValueError) as error:  # values that have no form, say
            if not self._lives(name, number):
                self._could_not_start(name, number, error)
                return
        self._attempts[name] = self._watched(name, number)

    def _check_lease(self, tx: Transaction) -> None:
        """Raises Fenced where the lease is another's, or broken."""
        key = self._run.key
        tx.check_lease(key.pipeline, key.environment, self._run.lease_token)

    def _cover(self, tx: Transaction, work: Work) -> None:
        """The lease covers what the stage changes. Raises Locked where another one's does."""
        key, things = self._run.key, covered_by(work)
        lease = tx.lease(key.pipeline, key.environment)
        if things and lease is not None and lease.token == self._run.lease_token:
            tx.cover(lease, things)

    def _order(self, name: str, number: int) -> StageOrder:
        hosts = self._only_hosts.get(name, ()) if number else ()
        return stage_order(
            self._app,
            self._context,
            self._context.pipeline.stages[name],
            attempt=number,
            action=self._run.action,
            outputs_of=self._outputs_of,
            may_skip_for=lambda digest: self._standing.may_skip(name, digest),
            only_hosts=hosts,
        )

    def _outputs_of(self, stage: str) -> Mapping[str, Json] | None:
        """Outputs of this run where the stage succeeded in it, else those in place."""
        ran = self._stages.get(stage)
        if ran is not None and ran.status.good and self._run.action is Action.APPLY:
            return ran.outputs
        if stage in self._borrowed:
            return self._borrowed[stage]
        return self._standing.outputs(stage)

    def _could_not_start(self, name: str, number: int, error: Exception) -> None:
        failure = Failure(where=name, what=str(error))
        outcome = Outcome(status=Status.FAILED, failures=(failure,))
        self._end_unwatched(name, number, Ended(status=Status.FAILED, outcome=outcome))

    def _end_unwatched(self, name: str, number: int, end: Ended) -> None:
        with self._app.store.write() as tx:
            self._check_lease(tx)
            self._record_end(tx, name, end, self._app.clock.now())
        if end.status is Status.LOST:
            self._refused.append(moves.Lost(stage=name, attempt=number, reason=end.reason))
            return
        self._refused.append(
            moves.Finished(stage=name, attempt=number, status=end.status, cause=end.cause)
        )

    def _lives(self, name: str, number: int) -> bool:
        """Whether the attempt was started all the same: its parent may die before it says so."""
        return self._folder(name, number).proof() is not Proof.NEVER_STARTED

    def _folder(self, name: str, number: int) -> AttemptFolder:
        return AttemptFolder(self._app.run_folder(self._run.key) / f"{name}-{number}")

    def _watched(self, name: str, number: int, after: int = 0) -> WatchedAttempt:
        mark = f"{self._app.store.id}:{self._run.key}/{name}/{number}"
        folder = self._folder(name, number)
        return WatchedAttempt(folder, stage=name, number=number, mark=mark, after=after)

    def _adopt(self) -> None:
        """Attempts that run already are watched; those that never started are started now.

        But not where somebody asked the run to stop meanwhile. Those of another machine are lost:
        its Pulumi writes no state any more, and of the rest nobody here knows.
        """
        key = self._run.key
        with self._app.store.read() as tx:
            stops = tx.requests(key)  # of whichever kind: nothing more is to begin
        for stage in list(self._stages.values()):
            if stage.status is not Status.RUNNING:
                continue
            if self._elsewhere:
                reason = (
                    f"it was under way on machine {self._elsewhere}, of which nothing was heard "
                    "since; whether it goes on there is not known."
                )
                lost = Ended(status=Status.LOST, reason=reason)
                self._end_unwatched(stage.stage, stage.attempts, lost)
                continue
            if not self._lives(stage.stage, stage.attempts):
                if stops:
                    self._end_unwatched(stage.stage, stage.attempts, _CANCELLED)
                    continue
                self._start(moves.Start(stage=stage.stage, attempt=stage.attempts))
                continue
            with self._app.store.read() as tx:
                after = tx.taken_in(key, stage.stage, stage.attempts)
            self._attempts[stage.stage] = self._watched(stage.stage, stage.attempts, after)
        if self._elsewhere:  # from here on what is begun is begun here
            self._run = replace(self._run, machine=machine_of(self._app))
            with self._app.store.write() as tx:
                self._check_lease(tx)
                tx.save_run(self._run)

    def _patience(self) -> float:
        wake = self._state.next_wake
        if wake is None:
            return LOOK_EVERY
        left = wake - self._app.clock.now()
        return max(0.0, min(LOOK_EVERY, left / timedelta(seconds=1)))
