"""What may a run do at all? A simulated executor, and a judge that knows the rules by itself.

The judge shares no code with the scheduler: it looks only at the nodes as they were given and at
the commands that came.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from orchestrator.core.moves import (
    AskApproval,
    Began,
    CancelAsked,
    CancelStage,
    Command,
    Event,
    Finished,
    Lost,
    RunEnded,
    StageEnded,
    Start,
    StartsHeld,
    StartsResumed,
    WakeAt,
)
from orchestrator.core.nodes import Node
from orchestrator.core.run_state import RunState
from orchestrator.core.scheduler import advance
from orchestrator.model.definitions import Limits, OnFailure, StageKind, When
from orchestrator.model.runs import Action, RunStatus, Status

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
BAD = (Status.FAILED, Status.LOST, Status.CANCELLED, Status.BLOCKED)


class World:
    """One run: a scheduler, its twin made anew from what was saved, and the judge."""

    def __init__(self, nodes: tuple[Node, ...], limits: Limits, action: Action) -> None:
        self.given = {node.name: node for node in nodes}
        self.limits = limits
        self.action = action
        self.now = self.told_at = NOW
        self.state = RunState(nodes, limits=limits, action=action)
        self.needs = self._needs()
        self.running: dict[str, int] = {}
        self.waiting: set[str] = set()
        self.tries = dict.fromkeys(self.given, 0)
        self.ends: dict[str, StageEnded] = {}
        self.run_end: RunEnded | None = None
        self.history: list[Finished | Lost] = []
        self.flags: list[Event] = []
        self.held = False
        self.cancelled = False
        self.broken = False  # a judgement failed: nothing more need be tried
        self._judge(advance(self.state, [Began()], self.now))

    @property
    def open(self) -> bool:
        return self.run_end is None

    def tell(self, *events: Event) -> tuple[Command, ...]:
        """The answer to the events, judged; a twin restored just before gives the same one."""
        self.broken = True
        twin = self._twin()
        commands = advance(self.state, events, self.now)
        self.told_at = self.now
        assert twin is None or advance(twin, events, self.now) == commands, "the twin differs"
        for event in events:
            self._note(event)
        self._judge(commands)
        self.broken = False
        return commands

    def check(self) -> None:
        """What holds between any two steps."""
        assert self.state.running() == tuple(
            (name, self.running[name]) for name in self.given if name in self.running
        )
        self._check_width()
        if self.open:
            moves = self.running or self.waiting or self.state.next_wake
            assert moves, "the run is stuck"
            assert set(self.ends) != set(self.given)

    def _twin(self) -> RunState | None:
        """The run taken up again by another driver, which has heard all standing requests."""
        if self.run_end is not None:
            return None
        twin = RunState(self.state.nodes(), limits=self.limits, action=self.action)
        flags = [*self.flags, StartsHeld()] if self.held else self.flags
        heard = advance(twin, flags, self.told_at)
        assert all(isinstance(each, CancelStage | WakeAt) for each in heard), heard
        return twin

    def _note(self, event: Event) -> None:
        match event:
            case Finished() | Lost():
                self.history.append(event)
                if self.tries[event.stage] == event.attempt:
                    self.running.pop(event.stage, None)
            case CancelAsked():
                self.flags.append(event)
                self.cancelled = self.cancelled or not event.stage
            case StartsHeld():
                self.held = True
            case StartsResumed():
                self.held = False
            case _:
                pass

    # the judge

    def _needs(self) -> dict[str, set[str]]:
        """What each stage waits for: direct needs, and through those that are left out."""
        direct: dict[str, set[str]] = {name: set() for name in self.given}
        for node in self.given.values():
            for need in node.needs:
                if self.action is Action.DESTROY:
                    direct[need].add(node.name)
                else:
                    direct[node.name].add(need)
        return {name: self._through(name, direct, set()) for name in self.given}

    def _through(self, name: str, direct: dict[str, set[str]], seen: set[str]) -> set[str]:
        found: set[str] = set()
        for need in direct[name] - seen:
            seen.add(need)
            found.add(need)
            if self.given[need].left_out:
                found |= self._through(need, direct, seen)
        return found

    def _judge(self, commands: Iterable[Command]) -> None:
        for command in commands:
            assert self.run_end is None, "something came after the end of the run"
            match command:
                case StageEnded():
                    self._judge_end(command)
                case Start():
                    self._judge_start(command.stage)
                    self.tries[command.stage] += 1
                    assert command.attempt == self.tries[command.stage]
                    self.running[command.stage] = command.attempt
                case AskApproval():
                    self._judge_start(command.stage)
                    self.tries[command.stage] += 1
                    self.waiting.add(command.stage)
                case CancelStage():
                    assert command.stage in self.running
                case WakeAt():
                    assert command.at > self.told_at - timedelta(days=1)
                case RunEnded():
                    self._judge_run_end(command)

    def _judge_start(self, name: str) -> None:
        node = self.given[name]
        assert not self.held
        assert not self.cancelled
        assert name not in self.ends, "a stage began after its end"
        assert name not in self.running
        assert not node.left_out
        assert self.tries[name] < max(1, node.retry.attempts)
        assert not (self.tries[name] and node.irreversible)
        for need in self.needs[name]:
            assert need in self.ends, f"{name} began before {need} ended"
        assert not self._above(name) & set(self.running), "it began while a stage above it ran"
        bad = [need for need in self.needs[name] if self.ends[need].status in BAD]
        if self._when(node) is When.SUCCESS:
            assert not bad, f"{name} began though {bad} ended badly"
            assert not self._stopped(), f"{name} began though the run was stopped"

    def _when(self, node: Node) -> When:
        return When.SUCCESS if self.action is Action.DESTROY else node.when

    def _above(self, name: str) -> set[str]:
        found: set[str] = set()
        todo = [name]
        while todo:
            for need in self.needs[todo.pop()] - found:
                found.add(need)
                todo.append(need)
        return found

    def _stopped(self) -> bool:
        return any(
            end.reason.startswith("refused")
            or (
                end.status in (Status.FAILED, Status.LOST, Status.CANCELLED)
                and self.given[name].on_failure is OnFailure.STOP
            )
            for name, end in self.ends.items()
        )

    def _judge_end(self, end: StageEnded) -> None:
        assert end.stage not in self.ends, "a stage ended twice"
        assert end.reason or end.status is Status.SUCCEEDED, "an end without a cause"
        if end.status is Status.BLOCKED and not end.reason.startswith("refused"):
            root = self.ends[end.cause]
            assert root.status in BAD
            assert not root.cause, "the cause is not the root"
        self.running.pop(end.stage, None)
        self.waiting.discard(end.stage)
        self.ends[end.stage] = end

    def _judge_run_end(self, end: RunEnded) -> None:
        assert set(self.ends) == set(self.given)
        assert not self.running
        assert not self.waiting
        statuses = {each.status for each in self.ends.values()}
        assert (end.status is RunStatus.SUCCEEDED) == (not statuses & set(BAD))
        assert (end.status is RunStatus.LOST) == (Status.LOST in statuses)
        assert bool(end.reason) == (end.status is not RunStatus.SUCCEEDED)
        self.run_end = end

    def _check_width(self) -> None:
        assert not self.limits.run or len(self.running) <= self.limits.run, "too wide"
        for kind in StageKind:
            width = self.limits.kinds.get(kind, 0)
            count = sum(self.given[name].kind is kind for name in self.running)
            assert not width or count <= width, f"too wide for {kind.value}"
