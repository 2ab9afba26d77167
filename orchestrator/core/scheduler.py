"""What should happen next in a run?

Pure: events and the time in, commands out. Driven by the embedded loop, by the simulation in the
tests, and later by a workflow; the answers are in declared order where order is free.

A stage ends once. Its end *spreads*, where it was a bad one: what needs it is blocked, at once and
all the way down. When nothing it waited for is under way any more either, it *settles*: what
needs it waits for one less. So a stage with `when: failure | always` begins only after all that
stands above it, through blocked and left-out stages too, has come to rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from heapq import heappop, heappush

from orchestrator.core import reasons
from orchestrator.core.moves import (
    AskApproval,
    Began,
    CancelAsked,
    CancelStage,
    Command,
    Event,
    Finished,
    Lost,
    Refused,
    RunEnded,
    StageEnded,
    Start,
    StartsHeld,
    StartsResumed,
    WakeAt,
    Woke,
)
from orchestrator.core.run_state import RunState
from orchestrator.model.definitions import OnFailure, StageKind, When
from orchestrator.model.runs import Status

_FINISHES = (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED, Status.SKIPPED)
_BAD = (Status.FAILED, Status.LOST, Status.CANCELLED, Status.BLOCKED)


def advance(state: RunState, events: Iterable[Event], now: datetime) -> tuple[Command, ...]:
    """What to do next; `state` is that of a run in which it was done.

    Late and doubled events change nothing: one for an attempt that is not under way is not heard.
    Costs what the neighbours of the stages concerned cost. Raises KeyError for an unknown stage,
    ValueError for a Finished with a status that no attempt ends with.
    """
    if state.over:
        return ()
    step = _Step(state, now)
    step.begin()
    for event in events:
        step.hear(event)
    step.look_at_time()
    step.draw_conclusions()
    step.start_what_may()
    step.end_run()
    return tuple(step.commands)


class _Step:
    """One call of advance."""

    def __init__(self, state: RunState, now: datetime) -> None:
        self.state = state
        self.now = now
        self.commands: list[Command] = []
        self.stop_candidate = -1

    # what is told

    def begin(self) -> None:
        """Goes through what is recorded as if it had just happened; only in the first step."""
        state = self.state
        if state.begun:
            return
        state.begun = True
        for stage, node in enumerate(state.nodes_given):
            if state.statuses[stage].ended:
                self._pass_on(stage)
            elif node.left_out and state.statuses[stage] is Status.PENDING:
                self._end(stage, Status.UNNEEDED, node.left_out)
            elif state.statuses[stage] is Status.WAITING:
                self._set_expiry(stage)
            elif state.statuses[stage] is Status.PENDING and not state.waits[stage]:
                state.deciding.append(stage)
        if not state.ordinary_left:
            self._release_last()

    def hear(self, event: Event) -> None:
        match event:
            case Finished():
                self._finished(event)
            case Lost():
                stage = self._under_way(event.stage, event.attempt)
                if stage >= 0:
                    self._end(stage, Status.LOST, event.reason or "nobody knows how it ended")
            case Refused():
                self._refused(event)
            case CancelAsked():
                self._cancel(event)
            case StartsHeld():
                self.state.held = True
            case StartsResumed():
                self.state.held = False
            case Began() | Woke():
                pass

    def look_at_time(self) -> None:
        """Retries whose wait is over are ready; approvals that nobody gave in time have failed."""
        state = self.state
        while state.timers and state.timers[0][0] <= self.now:
            _, stage, attempt = heappop(state.timers)
            if not state.timer_counts(stage, attempt):
                continue
            if state.statuses[stage] is Status.WAITING:
                expires = state.nodes_given[stage].expires
                self._end(stage, Status.FAILED, f"nobody decided within {expires}")
            else:
                state.set_ready(stage)

    # what follows from it

    def draw_conclusions(self) -> None:
        self._propagate()
        if self.state.held and not self.state.active:  # else the run would never end
            self._cancel_all("nothing more was to be started")
            self._propagate()

    def start_what_may(self) -> None:
        state = self.state
        while not state.held and (stage := state.take_ready()) is not None:
            if state.nodes_given[stage].kind is StageKind.APPROVAL:
                state.begin_attempt(stage, Status.WAITING, self.now)
                self.commands.append(AskApproval(stage=state.names[stage]))
                self._set_expiry(stage)
            else:
                state.begin_attempt(stage, Status.RUNNING, self.now)
                start = Start(stage=state.names[stage], attempt=state.tries[stage])
                self.commands.append(start)

    def end_run(self) -> None:
        if not self.state.open:
            self.state.over = True
            status, reason = reasons.run_end(self.state)
            self.commands.append(RunEnded(status=status, reason=reason))

    # events

    def _under_way(self, name: str, attempt: int) -> int:
        """The stage's place if that attempt is under way; -1 if the event is late or doubled."""
        stage = self.state.index[name]
        under_way = self.state.statuses[stage] in (Status.RUNNING, Status.WAITING)
        return stage if under_way and self.state.tries[stage] == attempt else -1

    def _finished(self, event: Finished) -> None:
        if event.status not in _FINISHES:
            raise ValueError(f"no attempt ends {event.status.value}")
        stage = self._under_way(event.stage, event.attempt)
        if stage < 0:
            return
        if event.status is Status.FAILED and self._is_tried_again(stage, event):
            self._wait_for_retry(stage, event)
        else:
            self._end(stage, event.status, event.reason or _said(event))

    def _is_tried_again(self, stage: int, event: Finished) -> bool:
        state, node = self.state, self.state.nodes_given[stage]
        stopped = state.stopped_by >= 0 and state.whens[stage] is When.SUCCESS
        forbidden = node.irreversible or node.kind is StageKind.APPROVAL or stopped
        cancelled = state.cancelled or state.cancelled_alone[stage]
        left = state.tries[stage] < node.retry.attempts and event.cause in node.retry.on
        return left and not forbidden and not cancelled

    def _wait_for_retry(self, stage: int, event: Finished) -> None:
        state = self.state
        state.end_attempt(stage, Status.PENDING, self.now, event.reason or _said(event))
        state.retries[stage] = True
        at = state.retry_at(stage)
        if at <= self.now:
            state.set_ready(stage)
        else:
            state.set_timer(at, stage)
            attempt = state.tries[stage] + 1
            self.commands.append(WakeAt(at=at, stage=state.names[stage], attempt=attempt))

    def _refused(self, event: Refused) -> None:
        state = self.state
        stage = state.index[event.stage]
        if state.statuses[stage].ended:
            return
        self._end(stage, Status.BLOCKED, reasons.REFUSED + event.reason, root=stage)

    def _cancel(self, event: CancelAsked) -> None:
        if not event.stage:
            if not self.state.cancelled:
                self.state.cancelled = True
                self._cancel_all("the run was cancelled")
            return
        stage = self.state.index[event.stage]
        if not self.state.cancelled_alone[stage]:
            self.state.cancelled_alone[stage] = True
            self._cancel_stage(stage, "it was cancelled")

    def _cancel_all(self, reason: str) -> None:
        for stage in range(len(self.state.names)):
            self._cancel_stage(stage, reason)

    def _cancel_stage(self, stage: int, reason: str) -> None:
        now = self.state.statuses[stage]
        if now is Status.RUNNING:
            self.commands.append(CancelStage(stage=self.state.names[stage]))
        elif not now.ended:
            self._end(stage, Status.CANCELLED, reason)

    # ends

    def _end(self, stage: int, status: Status, reason: str, root: int = -1) -> None:
        state = self.state
        state.end_attempt(stage, status, self.now, reason)
        if root >= 0:
            state.root[stage] = root
        cause = state.names[root] if root not in (-1, stage) else ""
        self.commands.append(
            StageEnded(stage=state.names[stage], status=status, reason=reason, cause=cause)
        )
        self._pass_on(stage)

    def _pass_on(self, stage: int) -> None:
        """Lines up an end to be told to those who wait for it."""
        state = self.state
        status = state.statuses[stage]
        if status in _BAD:
            heappush(state.spreading, stage)
            stops = state.nodes_given[stage].on_failure is OnFailure.STOP
            if reasons.is_refused(state, stage) or (stops and status is not Status.BLOCKED):
                self._stop_because_of(stage)
        if not state.waits[stage]:
            state.settling.append(stage)

    def _stop_because_of(self, stage: int) -> None:
        """Of those that fail in one step, the one declared first is named."""
        candidate = self.stop_candidate
        self.stop_candidate = stage if candidate < 0 else min(candidate, stage)

    def _propagate(self) -> None:
        state = self.state
        while True:
            if state.spreading:
                self._spread(heappop(state.spreading))
            elif self.stop_candidate >= 0:
                self._stop()
            elif state.settling:
                self._settle(state.settling.popleft())
            elif state.deciding:
                self._decide(state.deciding.popleft())
            else:
                return

    def _spread(self, stage: int) -> None:
        """What needs a stage that ended badly is blocked, and what needs that."""
        state = self.state
        if state.is_ordinary[stage]:
            state.any_bad = True
        root = self._root_of(stage)
        for other in state.dependents[stage]:
            if state.root[other] >= 0:
                continue
            state.root[other] = root
            if state.nodes_given[other].left_out:
                heappush(state.spreading, other)  # passes it on: order reaches through it
            elif state.statuses[other] is Status.PENDING and state.whens[other] is When.SUCCESS:
                why = reasons.blocked_by_need(state, stage, root)
                self._end(other, Status.BLOCKED, why, root)

    def _root_of(self, stage: int) -> int:
        state = self.state
        passed_on = state.statuses[stage] in (Status.BLOCKED, Status.UNNEEDED)
        return state.root[stage] if passed_on and state.root[stage] >= 0 else stage

    def _stop(self) -> None:
        """Nothing new is started but what is there for failures."""
        state, self.stop_candidate, candidate = self.state, -1, self.stop_candidate
        if state.stopped_by >= 0:
            return
        state.stopped_by = candidate
        for stage, when in enumerate(state.whens):
            if when is not When.SUCCESS or state.statuses[stage] not in _NOT_BEGUN:
                continue
            if state.retries[stage]:
                self._end(stage, Status.FAILED, reasons.not_tried_again(state, stage))
            else:
                self._end(stage, Status.BLOCKED, reasons.blocked_by_stop(state), candidate)

    def _settle(self, stage: int) -> None:
        """What needs a stage that has come to rest waits for one less."""
        state = self.state
        left_out = bool(state.nodes_given[stage].left_out)
        unneeded = state.statuses[stage] is Status.UNNEEDED and not left_out
        idle = unneeded or (left_out and state.idle[stage])
        for other in state.dependents[stage]:
            state.idle[other] = state.idle[other] or idle
            self._waits_for_one_less(other)
        if state.is_ordinary[stage]:
            state.ordinary_left -= 1
            if not state.ordinary_left:
                self._release_last()

    def _release_last(self) -> None:
        for stage in self.state.last:
            self._waits_for_one_less(stage)

    def _waits_for_one_less(self, stage: int) -> None:
        state = self.state
        state.waits[stage] -= 1
        if not state.waits[stage]:
            if state.statuses[stage].ended:
                state.settling.append(stage)
            elif state.statuses[stage] is Status.PENDING:
                state.deciding.append(stage)

    def _decide(self, stage: int) -> None:
        """All that a pending stage waited for has come to rest."""
        state, when = self.state, self.state.whens[stage]
        if state.statuses[stage] is not Status.PENDING:
            return
        bad = state.root[stage] >= 0 or (state.any_bad and state.is_last[stage])
        if when is When.FAILURE and not bad:
            self._end(stage, Status.UNNEEDED, "nothing it waits for has failed")
        elif when is When.SUCCESS and state.idle[stage]:
            self._end(stage, Status.UNNEEDED, "what it needs was not needed")
        elif state.retries[stage] and state.retry_at(stage) > self.now:
            state.set_timer(state.retry_at(stage), stage)
        else:
            state.set_ready(stage)

    def _set_expiry(self, stage: int) -> None:
        since, expires = self.state.since[stage], self.state.nodes_given[stage].expires
        if since is not None and expires is not None:
            self.state.set_timer(since + expires, stage)
            attempt = self.state.tries[stage]
            name = self.state.names[stage]
            self.commands.append(WakeAt(at=since + expires, stage=name, attempt=attempt))


_NOT_BEGUN = (Status.PENDING, Status.WAITING)


def _said(event: Finished) -> str:
    if event.status is Status.FAILED:
        return "it failed" if event.cause.value == "failed" else event.cause.value
    return {Status.CANCELLED: "it was cancelled", Status.SKIPPED: "unchanged"}.get(event.status, "")
