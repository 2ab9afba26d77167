"""Whatever happens in whatever order, does a run keep its rules and come to an end?

ORCHESTRATOR_SIMULATION=deep pytest tests/simulation     looks much longer
"""

import os
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from orchestrator.core import scheduler
from orchestrator.core.moves import (
    CancelAsked,
    Finished,
    Lost,
    Refused,
    StartsHeld,
    StartsResumed,
    Woke,
)
from orchestrator.core.nodes import Node
from orchestrator.core.run_state import RunState
from orchestrator.model.definitions import Cause, Limits, OnFailure, Retry, StageKind, When
from orchestrator.model.runs import Action, Status
from tests.simulation.world import World

DEEP = os.environ.get("ORCHESTRATOR_SIMULATION") == "deep"
PROFILE = settings(
    max_examples=1500 if DEEP else 40,
    stateful_step_count=60 if DEEP else 25,
    deadline=None,  # the machine may be busy
    database=None,
    suppress_health_check=list(HealthCheck),
)
KINDS = (StageKind.PULUMI, StageKind.ANSIBLE, StageKind.COMMAND, StageKind.APPROVAL)
RETRIES = st.builds(
    Retry,
    attempts=st.integers(1, 3),
    on=st.sampled_from([tuple(Cause), (Cause.UNREACHABLE,)]),
    backoff=st.sampled_from([timedelta(0), timedelta(seconds=10)]),
)
LIMITS = st.builds(
    Limits,
    run=st.integers(0, 3),
    kinds=st.dictionaries(st.sampled_from(KINDS[:3]), st.integers(1, 2), max_size=2),
)


@st.composite
def pipelines(draw: st.DrawFn) -> tuple[Node, ...]:
    """Up to eight stages with random needs, declared in any order."""
    names = [f"s{number}" for number in range(draw(st.integers(1, 8)))]
    nodes = [
        Node(
            name=name,
            kind=draw(st.sampled_from(KINDS)),
            needs=_some(draw, names[:number]),
            when=draw(st.sampled_from([When.SUCCESS, When.SUCCESS, When.SUCCESS, *When])),
            retry=draw(RETRIES),
            on_failure=draw(st.sampled_from(OnFailure)),
            irreversible=draw(st.integers(0, 5)) == 0,
            expires=draw(st.sampled_from([None, timedelta(minutes=1)])),
            left_out=draw(st.sampled_from(["", "", "", "", "not selected"])),
        )
        for number, name in enumerate(names)
    ]
    return tuple(draw(st.permutations(nodes)))


def _some(draw: st.DrawFn, names: list[str]) -> tuple[str, ...]:
    if not names:
        return ()
    return tuple(draw(st.lists(st.sampled_from(names), max_size=3, unique=True)))


class Runs(RuleBasedStateMachine):
    """Run after run, with everything that can happen to one."""

    @initialize(
        nodes=pipelines(), limits=LIMITS, action=st.sampled_from([Action.APPLY, Action.DESTROY])
    )
    def first(self, nodes: tuple[Node, ...], limits: Limits, action: Action) -> None:
        self.world = World(nodes, limits, action)

    @precondition(lambda self: not self.world.open)
    @rule(nodes=pipelines(), limits=LIMITS)
    def next(self, nodes: tuple[Node, ...], limits: Limits) -> None:
        """The run before has ended: so there is always a move left."""
        self.world = World(nodes, limits, Action.APPLY)

    @precondition(lambda self: self.world.running or self.world.waiting)
    @rule(
        data=st.data(),
        status=st.sampled_from(
            [
                Status.SUCCEEDED,
                Status.SUCCEEDED,
                Status.FAILED,
                Status.SKIPPED,
                Status.CANCELLED,
            ]
        ),
        cause=st.sampled_from(Cause),
    )
    def ends(self, data: st.DataObject, status: Status, cause: Cause) -> None:
        """Any stage that is under way ends, in any order."""
        stage = data.draw(st.sampled_from([*self.world.running, *sorted(self.world.waiting)]))
        attempt = self.world.tries[stage]
        self.world.tell(Finished(stage=stage, attempt=attempt, status=status, cause=cause))

    @precondition(lambda self: len(self.world.running) > 1)
    @rule(data=st.data(), status=st.sampled_from([Status.SUCCEEDED, Status.FAILED]))
    def end_together(self, data: st.DataObject, status: Status) -> None:
        """Several ends are heard in one step."""
        order = data.draw(st.permutations(list(self.world.running.items())))
        self.world.tell(*[Finished(stage=s, attempt=a, status=status) for s, a in order])

    @precondition(lambda self: self.world.running)
    @rule(data=st.data())
    def is_lost(self, data: st.DataObject) -> None:
        stage = data.draw(st.sampled_from(list(self.world.running)))
        attempt = self.world.running[stage]
        self.world.tell(Lost(stage=stage, attempt=attempt, reason="its process is gone"))

    @precondition(lambda self: self.world.history)
    @rule(data=st.data())
    def is_told_again(self, data: st.DataObject) -> None:
        """What was heard once changes nothing the second time."""
        event = data.draw(st.sampled_from(self.world.history))
        if self.world.running.get(event.stage) != event.attempt:
            assert self.world.tell(event) == ()

    @precondition(lambda self: self.world.running)
    @rule(data=st.data())
    def is_refused(self, data: st.DataObject) -> None:
        stage = data.draw(st.sampled_from(list(self.world.running)))
        self.world.tell(Refused(stage=stage, reason="the gate says no"))

    @precondition(lambda self: self.world.open)
    @rule(data=st.data())
    def one_is_cancelled(self, data: st.DataObject) -> None:
        self.world.tell(CancelAsked(stage=data.draw(st.sampled_from(list(self.world.given)))))

    @precondition(lambda self: self.world.open)
    @rule(sure=st.integers(0, 3))
    def run_is_cancelled(self, sure: int) -> None:
        if not sure:
            self.world.tell(CancelAsked())

    @precondition(lambda self: self.world.open)
    @rule(sure=st.integers(0, 2))
    def starts_are_held(self, sure: int) -> None:
        if not sure:
            self.world.tell(StartsHeld())

    @precondition(lambda self: self.world.open and self.world.held)
    @rule()
    def starts_are_resumed(self) -> None:
        self.world.tell(StartsResumed())

    @rule(seconds=st.sampled_from([1, 10, 30]))
    def time_passes(self, seconds: int) -> None:
        self.world.now += timedelta(seconds=seconds)
        self.world.tell(Woke())

    @invariant()
    def rules_hold(self) -> None:
        if hasattr(self, "world"):
            self.world.check()

    def teardown(self) -> None:
        """Left to itself, with every stage succeeding, the run comes to its end."""
        if not hasattr(self, "world") or self.world.broken:
            return
        world = self.world
        for _ in range(10 * len(world.given) + 10):
            if not world.open:
                return
            world.check()
            world.now = max(world.now, world.state.next_wake or world.now)
            under_way = [*world.running.items(), *((name, 1) for name in sorted(world.waiting))]
            world.tell(
                Woke(),
                *[Finished(stage=s, attempt=a, status=Status.SUCCEEDED) for s, a in under_way],
            )
        raise AssertionError("the run does not come to an end")


def test_runs_keep_their_rules() -> None:
    """Never too wide, nothing before its needs, never stuck, every end with a cause."""
    run_state_machine_as_test(Runs, settings=PROFILE)


def _nobody_is_told(self: Any, stage: int) -> None:
    """Failure does not spread."""


def _always_room(self: RunState, kind: StageKind) -> bool:
    """Width is ignored."""
    del self, kind
    return True


def _any_need(self: Any, stage: int) -> None:
    """One need is enough."""
    state = self.state
    if state.waits[stage]:
        state.waits[stage] = 0
        if state.statuses[stage] is Status.PENDING:
            state.deciding.append(stage)


@pytest.mark.parametrize(
    ("owner", "name", "defect"),
    [
        (scheduler._Step, "_spread", _nobody_is_told),
        (RunState, "may_start_more", _always_room),
        (scheduler._Step, "_waits_for_one_less", _any_need),
    ],
    ids=["failure does not spread", "width ignored", "any need instead of all"],
)
def test_planted_defects_are_found(
    owner: type, name: str, defect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The judge is awake: each of these mistakes is found."""
    monkeypatch.setattr(owner, name, defect)
    found = settings(
        PROFILE,
        max_examples=300,
        phases=[Phase.generate],
        derandomize=True,
        report_multiple_bugs=False,
    )
    with pytest.raises((AssertionError, KeyError)):
        run_state_machine_as_test(Runs, settings=found)
