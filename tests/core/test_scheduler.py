"""Does the scheduler do what design and definitions say, case by case?"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

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
from orchestrator.core.nodes import Node, narrowest, nodes_of, timeout_of, wait_before
from orchestrator.core.run_state import RunState
from orchestrator.core.scheduler import advance
from orchestrator.model.definitions import (
    Cause,
    CheckSpec,
    CommandSpec,
    Limits,
    OnFailure,
    Pipeline,
    Retry,
    Stage,
    StageKind,
    When,
)
from orchestrator.model.positions import Position
from orchestrator.model.runs import Action, RunKey, RunStatus, StageRun, Status

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
CONTINUE = OnFailure.CONTINUE


class Driver:
    """Feeds events to a run and reads the answers."""

    def __init__(
        self, *nodes: Node, action: Action = Action.APPLY, limits: Limits | None = None
    ) -> None:
        self.state = RunState(nodes, action=action, limits=limits or Limits())
        self.now = NOW
        self.last: tuple[Command, ...] = ()
        self.tell(Began())

    def tell(self, *events: Event) -> tuple[Command, ...]:
        self.last = advance(self.state, events, self.now)
        return self.last

    def ends(
        self, stage: str, status: Status = Status.SUCCEEDED, cause: Cause = Cause.FAILED
    ) -> tuple[Command, ...]:
        return self.tell(finished(stage, self.state.attempts(stage), status, cause))

    def passes(self, **time: float) -> tuple[Command, ...]:
        self.now += timedelta(**time)
        return self.tell(Woke())


def finished(
    stage: str, attempt: int, status: Status = Status.SUCCEEDED, cause: Cause = Cause.FAILED
) -> Finished:
    return Finished(stage=stage, attempt=attempt, status=status, cause=cause)


def started(commands: Sequence[Command]) -> list[str]:
    return [each.stage for each in commands if isinstance(each, Start)]


def ended(commands: Sequence[Command]) -> dict[str, tuple[Status, str, str]]:
    return {
        each.stage: (each.status, each.reason, each.cause)
        for each in commands
        if isinstance(each, StageEnded)
    }


def end_of_run(commands: Sequence[Command]) -> tuple[RunStatus, str] | None:
    last = commands[-1] if commands else None
    return (last.status, last.reason) if isinstance(last, RunEnded) else None


def test_chain_and_end() -> None:
    """A stage starts when what it needs has succeeded; the last end is the run's."""
    run = Driver(Node(name="a"), Node(name="b", needs=("a",)))
    assert run.last == (Start(stage="a", attempt=1),)
    assert run.ends("a") == (
        StageEnded(stage="a", status=Status.SUCCEEDED, reason=""),
        Start(stage="b", attempt=1),
    )
    assert end_of_run(run.ends("b", Status.SKIPPED)) == (RunStatus.SUCCEEDED, "")
    assert run.state.ended
    assert run.tell(Woke()) == ()


def test_empty_run_ends_at_once() -> None:
    """A run without stages has succeeded."""
    assert Driver().last == (RunEnded(status=RunStatus.SUCCEEDED, reason=""),)


def test_all_needs_not_any() -> None:
    """A stage waits for everything it needs."""
    run = Driver(Node(name="a"), Node(name="b"), Node(name="c", needs=("a", "b")))
    assert started(run.ends("b")) == []
    assert started(run.ends("a")) == ["c"]


def test_late_and_doubled_events() -> None:
    """An event for an attempt that is not under way changes nothing."""
    run = Driver(
        Node(name="a", retry=Retry(attempts=2, backoff=timedelta(0))),
        Node(name="b", needs=("a",)),
    )
    assert started(run.ends("a", Status.FAILED)) == ["a"]
    assert run.tell(finished("a", 1), finished("a", 3), finished("b", 1)) == ()
    assert run.tell(Lost(stage="a", attempt=1, reason="x")) == ()
    assert started(run.tell(finished("a", 2), finished("a", 2))) == ["b"]


def test_failure_blocks_what_needs_it_and_names_its_root() -> None:
    """With `continue` only dependents are blocked, all the way down, naming the one that failed."""
    run = Driver(
        Node(name="a", on_failure=CONTINUE),
        Node(name="b", needs=("a",)),
        Node(name="c", needs=("b",)),
        Node(name="other"),
        Node(name="after", needs=("other",)),
    )
    assert ended(run.ends("a", Status.FAILED)) == {
        "a": (Status.FAILED, "it failed", ""),
        "b": (Status.BLOCKED, "needs a, which failed", "a"),
        "c": (Status.BLOCKED, "needs b; a failed", "a"),
    }
    assert started(run.ends("other")) == ["after"]
    assert end_of_run(run.ends("after")) == (RunStatus.FAILED, "a failed")


def test_failure_stops_the_run() -> None:
    """With `stop` nothing new is started; what runs ends; the rest names the failed stage."""
    run = Driver(Node(name="a"), Node(name="b"), Node(name="c", needs=("b",)), Node(name="d"))
    assert ended(run.ends("a", Status.FAILED)) == {
        "a": (Status.FAILED, "it failed", ""),
        "c": (Status.BLOCKED, "a failed, and its on_failure is stop", "a"),
    }
    assert run.ends("b") == (StageEnded(stage="b", status=Status.SUCCEEDED, reason=""),)
    assert end_of_run(run.ends("d")) == (RunStatus.FAILED, "a failed")


def test_first_by_order_is_named() -> None:
    """Of two that fail in one step, the one declared first is the cause, whatever came first."""
    run = Driver(Node(name="a"), Node(name="b"), Node(name="c", needs=("a", "b")))
    commands = run.tell(finished("b", 1, Status.FAILED), finished("a", 1, Status.FAILED))
    assert ended(commands)["c"] == (Status.BLOCKED, "needs a, which failed", "a")
    assert end_of_run(commands) == (RunStatus.FAILED, "a, b failed")


def test_lost() -> None:
    """A lost stage blocks what needs it, is never tried again, and the run is lost."""
    run = Driver(
        Node(name="a", retry=Retry(attempts=5), on_failure=CONTINUE), Node(name="b", needs=("a",))
    )
    commands = run.tell(Lost(stage="a", attempt=1, reason="its process is gone"))
    assert ended(commands) == {
        "a": (Status.LOST, "its process is gone", ""),
        "b": (Status.BLOCKED, "needs a, which is lost", "a"),
    }
    assert end_of_run(commands) == (RunStatus.LOST, "a is lost")


def test_retry_waits_and_doubles() -> None:
    """Attempts are counted from 1, the wait doubles, and after the last the stage has failed."""
    run = Driver(Node(name="a", retry=Retry(attempts=3, backoff=timedelta(seconds=10))))
    assert run.ends("a", Status.FAILED) == (
        WakeAt(at=NOW + timedelta(seconds=10), stage="a", attempt=2),
    )
    assert run.state.status("a") is Status.PENDING
    wake = run.state.next_wake
    assert wake == NOW + timedelta(seconds=10)
    assert run.passes(seconds=9) == ()
    assert run.passes(seconds=1) == (Start(stage="a", attempt=2),)
    assert run.state.next_wake is None
    assert run.ends("a", Status.FAILED) == (
        WakeAt(at=run.now + timedelta(seconds=20), stage="a", attempt=3),
    )
    assert started(run.passes(seconds=20)) == ["a"]
    assert end_of_run(run.ends("a", Status.FAILED)) == (RunStatus.FAILED, "a failed")


@pytest.mark.parametrize(
    "node",
    [
        Node(name="a", retry=Retry(attempts=3, on=(Cause.UNREACHABLE,))),
        Node(name="a", retry=Retry(attempts=3), irreversible=True),
        Node(name="a"),
    ],
)
def test_no_retry(node: Node) -> None:
    """Not for another cause, not where it cannot be undone, not without being asked for."""
    assert end_of_run(Driver(node).ends("a", Status.FAILED)) is not None


def test_retry_for_its_cause() -> None:
    """A cause that `on` names is tried again."""
    run = Driver(Node(name="a", retry=Retry(attempts=2, on=(Cause.UNREACHABLE,))))
    assert isinstance(run.ends("a", Status.FAILED, Cause.UNREACHABLE)[0], WakeAt)


def test_stop_ends_those_that_wait_for_a_retry() -> None:
    """A stage that failed and waited has failed for good when the run stops."""
    run = Driver(Node(name="a", retry=Retry(attempts=2)), Node(name="b"))
    run.ends("a", Status.FAILED)
    commands = run.ends("b", Status.FAILED)
    assert ended(commands)["a"] == (
        Status.FAILED,
        "it failed; not tried again: b failed, and its on_failure is stop",
        "",
    )


def test_when_failure_and_always() -> None:
    """`failure` runs where a need did not succeed, `always` in any case, also after a stop."""
    nodes = (
        Node(name="app"),
        Node(name="undo", needs=("app",), when=When.FAILURE),
        Node(name="tell", needs=("app",), when=When.ALWAYS),
        Node(name="told", needs=("undo",)),
    )
    bad = Driver(*nodes)
    commands = bad.ends("app", Status.FAILED)
    assert started(commands) == ["undo", "tell"]
    assert ended(commands)["told"][0] is Status.BLOCKED
    good = Driver(*nodes)
    commands = good.ends("app")
    assert started(commands) == ["tell"]
    assert ended(commands)["undo"] == (Status.UNNEEDED, "nothing it waits for has failed", "")
    assert ended(commands)["told"] == (Status.UNNEEDED, "what it needs was not needed", "")
    assert end_of_run(good.ends("tell")) == (RunStatus.SUCCEEDED, "")


def test_when_failure_waits_until_all_above_rests() -> None:
    """It begins only when nothing above it runs any more, even if its need is blocked already."""
    run = Driver(
        Node(name="a"),
        Node(name="b"),
        Node(name="app", needs=("a", "b")),
        Node(name="undo", needs=("app",), when=When.FAILURE),
    )
    assert "app" in ended(run.ends("a", Status.FAILED))
    assert started(run.last) == []
    assert started(run.ends("b")) == ["undo"]


def test_when_without_needs_means_the_run() -> None:
    """`failure` and `always` without needs wait for every ordinary stage."""
    nodes = (
        Node(name="undo", when=When.FAILURE),
        Node(name="tell", when=When.ALWAYS),
        Node(name="told", needs=("tell",)),
        Node(name="a"),
        Node(name="b", needs=("a",)),
    )
    run = Driver(*nodes)
    assert started(run.last) == ["a"]
    assert started(run.ends("a", Status.FAILED)) == ["undo", "tell"]
    good = Driver(*nodes)
    good.ends("a")
    assert started(good.ends("b")) == ["tell"]
    assert started(good.ends("tell")) == ["told"]
    only = Driver(Node(name="tell", when=When.ALWAYS))
    assert started(only.last) == ["tell"]


def test_left_out_stages_pass_order_on() -> None:
    """A stage left out is unneeded and satisfies; but what it needed still comes first."""
    nodes = (
        Node(name="a"),
        Node(name="b", needs=("a",), left_out="not selected"),
        Node(name="c", needs=("b",)),
    )
    run = Driver(*nodes)
    assert run.last == (
        StageEnded(stage="b", status=Status.UNNEEDED, reason="not selected"),
        Start(stage="a", attempt=1),
    )
    assert started(run.ends("a")) == ["c"]
    bad = Driver(replace(nodes[0], on_failure=CONTINUE), *nodes[1:])
    assert ended(bad.ends("a", Status.FAILED))["c"] == (
        Status.BLOCKED,
        "needs b; a failed",
        "a",
    )


def test_width_of_run_and_kind() -> None:
    """Never more at once than the run and each kind allow, in declared order."""
    nodes = [Node(name=f"p{number}", kind=StageKind.PULUMI) for number in range(3)] + [
        Node(name=f"a{number}", kind=StageKind.ANSIBLE) for number in range(3)
    ]
    run = Driver(*nodes, limits=Limits(run=3, kinds={StageKind.PULUMI: 1}))
    assert started(run.last) == ["p0", "a0", "a1"]
    assert started(run.ends("a0")) == ["a2"]
    assert started(run.ends("a1")) == []
    assert started(run.ends("p0")) == ["p1"]


def test_destroy_goes_backwards() -> None:
    """What needs a stage is taken away before it; a failure keeps what it stands on."""
    nodes = (
        Node(name="network"),
        Node(name="hosts", needs=("network",)),
        Node(name="undo", needs=("hosts",), when=When.FAILURE),
    )
    run = Driver(*nodes, action=Action.DESTROY)
    assert started(run.last) == ["undo"]
    assert started(run.ends("undo")) == ["hosts"]
    assert ended(run.ends("hosts", Status.FAILED))["network"] == (
        Status.BLOCKED,
        "hosts stands on it, which failed",
        "hosts",
    )


def test_cancel_run() -> None:
    """What runs is asked to stop, the rest is cancelled, and a failure by it is not tried again."""
    run = Driver(
        Node(name="a", retry=Retry(attempts=3)),
        Node(name="b", needs=("a",)),
        Node(name="tell", when=When.ALWAYS),
    )
    commands = run.tell(CancelAsked())
    assert CancelStage(stage="a") in commands
    assert {status for status, _, _ in ended(commands).values()} == {Status.CANCELLED}
    assert run.tell(CancelAsked()) == ()
    assert end_of_run(run.ends("a", Status.CANCELLED)) == (
        RunStatus.CANCELLED,
        "a, b, tell were cancelled",
    )


def test_cancel_of_a_finished_run_is_success() -> None:
    """Where everything had succeeded before the request took hold, the run has succeeded."""
    run = Driver(Node(name="a"))
    run.tell(CancelAsked())
    assert end_of_run(run.ends("a")) == (RunStatus.SUCCEEDED, "")


def test_cancel_one_stage() -> None:
    """One stage may be stopped; what does not need it goes on where its on_failure says so."""
    run = Driver(Node(name="a", on_failure=CONTINUE), Node(name="b", needs=("a",)), Node(name="c"))
    assert run.tell(CancelAsked(stage="a"), CancelAsked(stage="a")) == (CancelStage(stage="a"),)
    assert ended(run.ends("a", Status.CANCELLED))["b"] == (
        Status.BLOCKED,
        "needs a, which was cancelled",
        "a",
    )
    assert end_of_run(run.ends("c")) == (RunStatus.CANCELLED, "a was cancelled")


def test_starts_held_and_resumed() -> None:
    """Nothing starts while starts are held; resumed in time, the run goes on."""
    run = Driver(Node(name="a"), Node(name="b"), Node(name="c", needs=("a",)))
    run.tell(StartsHeld())
    assert started(run.ends("a")) == []
    assert started(run.tell(StartsResumed())) == ["c"]


def test_starts_held_ends_the_run_when_nothing_runs() -> None:
    """Held, and the last running stage ended: the rest is cancelled, retries too."""
    run = Driver(Node(name="a", retry=Retry(attempts=2)), Node(name="b", needs=("a",)))
    run.tell(StartsHeld())
    assert end_of_run(run.ends("a", Status.FAILED)) == (
        RunStatus.CANCELLED,
        "a, b were cancelled",
    )


def test_refused_stops_the_run() -> None:
    """A refusal touches nothing of its stage, blocks the rest, and the run is stopped."""
    run = Driver(Node(name="a"), Node(name="b"), Node(name="c", needs=("b",)))
    run.ends("a")
    commands = run.tell(Refused(stage="b", reason="prod is protected"))
    assert ended(commands) == {
        "b": (Status.BLOCKED, "refused: prod is protected", ""),
        "c": (Status.BLOCKED, "needs b, which was refused", "b"),
    }
    assert end_of_run(commands) == (RunStatus.STOPPED, "b was refused: prod is protected")


def test_approval_waits_and_expires() -> None:
    """An approval takes no width, waits, and fails when nobody decided in time."""
    nodes = (
        Node(name="go", kind=StageKind.APPROVAL, expires=timedelta(hours=4)),
        Node(name="work"),
        Node(name="after", needs=("go",)),
    )
    run = Driver(*nodes, limits=Limits(run=1))
    assert AskApproval(stage="go") in run.last
    assert started(run.last) == ["work"]
    assert run.state.status("go") is Status.WAITING
    run.ends("work")
    commands = run.passes(hours=4)
    assert ended(commands)["go"] == (Status.FAILED, "nobody decided within 4:00:00", "")
    assert end_of_run(commands) == (RunStatus.FAILED, "go failed")
    other = Driver(*nodes)
    assert started(other.ends("go")) == ["after"]


def test_adoption_starts_nothing_twice() -> None:
    """What was recorded as running is taken to run; only its end moves the run on."""
    run = Driver(
        Node(name="a", status=Status.SUCCEEDED, attempts=1),
        Node(name="b", needs=("a",), status=Status.RUNNING, attempts=2),
        Node(name="c", needs=("b",)),
    )
    assert run.last == ()
    assert run.state.running() == (("b", 2),)
    assert started(run.tell(finished("b", 2))) == ["c"]


def test_retry_from_goes_on_counting() -> None:
    """A stage set back to pending starts at once, with the next attempt."""
    run = Driver(
        Node(name="a", status=Status.SUCCEEDED, attempts=1),
        Node(name="b", needs=("a",), attempts=1),
    )
    assert run.last == (Start(stage="b", attempt=2),)


def test_unknown_status_is_our_bug() -> None:
    """An attempt does not end blocked."""
    run = Driver(Node(name="a"))
    with pytest.raises(ValueError, match="no attempt ends blocked"):
        run.ends("a", Status.BLOCKED)


@pytest.mark.parametrize("needs", ["b", "a"])
def test_impossible_graphs(needs: str) -> None:
    """A need of nothing, and a circle, are refused when the state is made."""
    with pytest.raises(ValueError, match="stage"):
        RunState([Node(name="a", needs=(needs,))])


def test_wait_before() -> None:
    """The first attempt waits nothing, then base, doubled, never above the ceiling."""
    base = timedelta(seconds=10)
    waits = [wait_before(attempt, base=base).total_seconds() for attempt in range(1, 9)]
    assert waits == [0, 10, 20, 40, 80, 160, 300, 300]
    assert wait_before(10_000, base=base) == timedelta(minutes=5)
    assert wait_before(3, base=timedelta(0)) == timedelta(0)
    with pytest.raises(ValueError, match="counted from 1"):
        wait_before(0, base=base)


def test_narrowest() -> None:
    """Each limit is the smallest that anybody set."""
    ansible = {StageKind.ANSIBLE: 2}
    assert narrowest(Limits(run=4), Limits(run=0, kinds=ansible), Limits(run=9)) == Limits(
        run=4, kinds=ansible
    )


def test_nodes_of_a_pipeline() -> None:
    """Nodes carry the definition, the graph's edges and what was recorded."""
    from orchestrator.core.graph import graph_of

    here = Position(file="orchestrator.yaml", line=1, column=1)
    spec = CommandSpec(run=("true",))
    a = Stage(name="a", kind=StageKind.COMMAND, spec=spec, position=here, irreversible=True)
    probe = CheckSpec(url="http://x", within=timedelta(minutes=2))
    b = Stage(name="b", kind=StageKind.CHECK, spec=probe, needs=("a",), position=here)
    pipeline = Pipeline(name="p", stages={"a": a, "b": b}, file="orchestrator.yaml")
    done = StageRun(
        run=RunKey("p", "dev", 1),
        stage="a",
        kind=StageKind.COMMAND,
        status=Status.SUCCEEDED,
        attempts=1,
    )
    first, second = nodes_of(
        pipeline, graph_of(pipeline), left_out={"b": "not selected"}, recorded={"a": done}
    )
    assert (first.status, first.attempts, first.irreversible) == (Status.SUCCEEDED, 1, True)
    assert (second.needs, second.left_out) == (("a",), "not selected")
    assert timeout_of(b) == timedelta(minutes=3)
    assert timeout_of(replace(b, timeout=timedelta(seconds=5))) == timedelta(seconds=5)
