"""How far is a run?

Bookkeeping only: indexes, counts, queues; the rules stand in core.scheduler. Everything is kept
by the stage's place in declared order, and every change costs what its neighbours cost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from heapq import heappop, heappush

from orchestrator.core.nodes import Node, wait_before
from orchestrator.model.definitions import Limits, StageKind, When
from orchestrator.model.runs import Action, Status

NO_LIMITS = Limits()


class RunState:
    """A run's stages and how far each is. Changed only by core.scheduler.advance.

    nodes: in declared order, with what was recorded of each: PENDING ones are still to come,
    RUNNING and WAITING ones are taken to be under way (nothing is started for them), ended ones
    stay as they are. A PENDING one with attempts and `ended_at` waits for its retry. So for
    `retry --from` make failed, blocked, cancelled and lost ones PENDING, with no `ended_at`.
    Raises ValueError where the needs go round in a circle or name no node.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        *,
        action: Action = Action.APPLY,
        limits: Limits = NO_LIMITS,
    ) -> None:
        self.destroys = action is Action.DESTROY
        self.limits = limits
        self.nodes_given = tuple(nodes)
        self.index = {node.name: number for number, node in enumerate(nodes)}
        self._read(nodes)
        self._link(nodes)
        self._set_last_apart()
        self._check_acyclic()
        self._begin()

    # what a driver asks

    @property
    def ended(self) -> bool:
        """Whether RunEnded was answered."""
        return self.over

    @property
    def next_wake(self) -> datetime | None:
        """When Woke must come at the latest; None where nothing waits for time."""
        while self.timers and not self.timer_counts(*self.timers[0][1:]):
            heappop(self.timers)
        return self.timers[0][0] if self.timers else None

    def status(self, stage: str) -> Status:
        return self.statuses[self.index[stage]]

    def attempts(self, stage: str) -> int:
        return self.tries[self.index[stage]]

    def running(self) -> tuple[tuple[str, int], ...]:
        """Stage and attempt of all that runs, in declared order."""
        return tuple(
            (node.name, self.tries[number])
            for number, node in enumerate(self.nodes_given)
            if self.statuses[number] is Status.RUNNING
        )

    def nodes(self) -> tuple[Node, ...]:
        """The nodes as they are now: a RunState made of them goes on as this one would."""
        return tuple(
            replace(
                node,
                status=self.statuses[number],
                attempts=self.tries[number],
                started_at=self.since[number],
                ended_at=self.until[number],
                reason=self.reasons[number],
            )
            for number, node in enumerate(self.nodes_given)
        )

    # what the rules change; a stage is named by its place

    def may_start_more(self, kind: StageKind) -> bool:
        """Whether one more of that kind keeps all limits."""
        if kind is StageKind.APPROVAL:  # waits, and takes nobody's place
            return True
        within_run = not self.limits.run or self.active < self.limits.run
        width = self.limits.kinds.get(kind, 0)
        return within_run and (not width or self.active_of[kind] < width)

    def take_ready(self) -> int | None:
        """The first ready stage that limits allow, taken out of its queue; None if there is none.

        One queue a kind: a kind that is at its limit holds up no other, and is never walked over.
        """
        best: list[int] | None = None
        for kind, queue in self.ready.items():
            while queue and self.statuses[queue[0]] is not Status.PENDING:
                heappop(queue)
            if queue and self.may_start_more(kind) and (best is None or queue[0] < best[0]):
                best = queue
        return heappop(best) if best else None

    def begin_attempt(self, stage: int, status: Status, now: datetime) -> None:
        self.statuses[stage] = status
        self.tries[stage] += 1
        self.since[stage], self.until[stage], self.reasons[stage] = now, None, ""
        self.retries[stage] = False
        if status is Status.RUNNING:
            self._count(stage, 1)

    def end_attempt(self, stage: int, status: Status, now: datetime, reason: str) -> None:
        """The stage is pending again, or ended; its width is free."""
        if self.statuses[stage] is Status.RUNNING:
            self._count(stage, -1)
        self.statuses[stage] = status
        self.until[stage], self.reasons[stage] = now, reason
        if status.ended:
            self.open -= 1

    def retry_at(self, stage: int) -> datetime:
        """When a stage that waits for its next attempt may start."""
        ended_at = self.until[stage]
        assert ended_at is not None
        base = self.nodes_given[stage].retry.backoff
        return ended_at + wait_before(self.tries[stage] + 1, base=base)

    def set_timer(self, at: datetime, stage: int) -> None:
        heappush(self.timers, (at, stage, self.tries[stage]))

    def timer_counts(self, stage: int, attempt: int) -> bool:
        """Whether a timer is not outdated: its stage still waits, after that very attempt."""
        status = self.statuses[stage]
        return self.tries[stage] == attempt and (
            status is Status.WAITING or (status is Status.PENDING and self.retries[stage])
        )

    def set_ready(self, stage: int) -> None:
        heappush(self.ready[self.nodes_given[stage].kind], stage)

    def _count(self, stage: int, by: int) -> None:
        self.active += by
        self.active_of[self.nodes_given[stage].kind] += by

    # building

    def _read(self, nodes: Sequence[Node]) -> None:
        self.names = tuple(node.name for node in nodes)
        self.statuses = [node.status for node in nodes]
        self.tries = [node.attempts for node in nodes]
        self.since = [node.started_at for node in nodes]
        self.until = [node.ended_at for node in nodes]
        self.reasons = [node.reason for node in nodes]
        self.retries = [self._waits_for_retry(node) for node in nodes]
        # taking away has no failure of its own to answer: there every stage is an ordinary one
        self.whens = [When.SUCCESS if self.destroys else node.when for node in nodes]
        self.open = sum(not status.ended for status in self.statuses)
        self.active = 0
        self.active_of = dict.fromkeys(StageKind, 0)
        for number, status in enumerate(self.statuses):
            if status is Status.RUNNING:
                self._count(number, 1)

    def _waits_for_retry(self, node: Node) -> bool:
        return node.status is Status.PENDING and node.attempts > 0 and node.ended_at is not None

    def _link(self, nodes: Sequence[Node]) -> None:
        """dependents: who waits for a stage; waits: for how many a stage still waits."""
        self.dependents: list[list[int]] = [[] for _ in nodes]
        self.waits = [0] * len(nodes)
        for number, node in enumerate(nodes):
            for need in node.needs:
                if need not in self.index:
                    raise ValueError(f"stage '{node.name}' needs '{need}', which is no stage")
                first, then = self.index[need], number
                if self.destroys:
                    first, then = then, first
                self.dependents[first].append(then)
                self.waits[then] += 1

    def _set_last_apart(self) -> None:
        """`when: failure | always` without needs means the whole run: it waits for every ordinary
        stage that does not wait for it."""
        self.is_last = [
            when is not When.SUCCESS and not waits
            for when, waits in zip(self.whens, self.waits, strict=True)
        ]
        self.last = [number for number, last in enumerate(self.is_last) if last]
        behind = self._behind(self.last)
        self.is_ordinary = [number not in behind for number in range(len(self.names))]
        self.ordinary_left = sum(self.is_ordinary)
        for number in self.last:
            self.waits[number] += 1

    def _behind(self, stages: Sequence[int]) -> set[int]:
        found = set(stages)
        todo = list(stages)
        while todo:
            for other in self.dependents[todo.pop()]:
                if other not in found:
                    found.add(other)
                    todo.append(other)
        return found

    def _check_acyclic(self) -> None:
        waits = list(self.waits)
        todo = [number for number, count in enumerate(waits) if not count] + self.last
        seen = 0
        while todo:
            seen += 1
            for other in self.dependents[todo.pop()]:
                waits[other] -= 1
                if not waits[other]:
                    todo.append(other)
        if seen < len(waits):
            raise ValueError("stages need each other in a circle")

    def _begin(self) -> None:
        """The first advance goes through what was recorded as if it had just happened."""
        self.ready: Mapping[StageKind, list[int]] = {kind: [] for kind in StageKind}
        self.timers: list[tuple[datetime, int, int]] = []
        self.root = [-1] * len(self.names)  # the bad stage that stands behind a need; -1: none
        self.idle = [False] * len(self.names)  # whether a need was unneeded by its own `when`
        self.any_bad = False  # among the ordinary ones: for those that wait for the whole run
        self.spreading: list[int] = []  # heap: ended badly, dependents not told yet
        self.settling: deque[int] = deque()  # ended and waiting for nothing, dependents not told
        self.deciding: deque[int] = deque()  # waits for nothing any more, not decided yet
        self.stopped_by = -1  # the stage that failed with `on_failure: stop`, or was refused
        self.held = False
        self.cancelled = False
        self.cancelled_alone = [False] * len(self.names)
        self.begun = False
        self.over = False
