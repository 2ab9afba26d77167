"""What holds where something is killed in the middle?"""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import Make
from tests.e2e.projects import Begun, Tiny, children, command, has_ended, held, outputs, until

pytestmark = pytest.mark.slow
_PARENT = b"orchestrator.wiring.parent"


def chain(make: Make, world: Path) -> Tiny:
    """Three stages: the first hands an output on, the middle one is held."""
    return make(
        command(world, "first", outputs(a="hand-over"), outputs={"a": "string"}),
        held(world, "middle", 'echo "$0"', arguments=["${{ stages.first.outputs.a }}"]),
        command(world, "last", needs=["middle"]),
    )


def killed_in_the_middle(tiny: Tiny) -> None:
    up = tiny.begin("up", "dev", "--yes")
    tiny.until_begun("middle")
    up.kill()


def ended_as_if_nothing_had_happened(tiny: Tiny) -> None:
    assert tiny.counts("first", "middle", "last") == [1, 1, 1]
    assert tiny.rows("select status, attempts from stages order by place") == [("succeeded", 1)] * 3
    assert tiny.rows("select number, status from runs") == [(1, "succeeded")]
    assert tiny.rows("select count(*) from leases where held") == [(0,)]
    assert tiny.marked() == []


@pytest.mark.parametrize("ends", ["before", "after"])
def test_wait_takes_a_run_over(make: Make, world: Path, ends: str) -> None:
    """`wait` ends the run of a killed controller, whether its stage still runs or is done."""
    tiny = chain(make, world)
    killed_in_the_middle(tiny)
    if ends == "before":
        tiny.let("middle")
        until(lambda: not tiny.marked(), "the stage has ended")
        answer = tiny.ask("wait", "dev#1")
    else:
        wait = tiny.begin("wait", "dev#1")
        until(lambda: "dev#1" in wait.err, "wait follows")
        tiny.let("middle")
        answer = wait.answer()
    assert answer.code == 0, answer.err
    ended_as_if_nothing_had_happened(tiny)
    logs = tiny.ask("logs", "dev#1", "middle")
    assert logs.out.count("hand-over") == 1


def test_up_takes_a_run_over_before_it_begins_another(make: Make, world: Path) -> None:
    """`up` drives the left run to its end, then begins a new one."""
    tiny = chain(make, world)
    killed_in_the_middle(tiny)
    tiny.let("middle")
    answer = tiny.ask("up", "dev", "--yes")
    assert answer.code == 0, answer.err
    assert "dev#1 was left by its controller" in answer.err
    assert tiny.counts("first", "middle", "last") == [2, 2, 2]
    assert tiny.rows("select number, status from runs order by number") == [
        (1, "succeeded"),
        (2, "succeeded"),
    ]


def test_up_does_not_repeat_what_it_finds_lost(make: Make, world: Path) -> None:
    """Who takes a run over and learns that a stage is lost asks a person before anything more."""
    tiny = chain(make, world)
    up = tiny.begin("up", "dev", "--yes")
    tiny.until_begun("middle")
    up.kill()
    os.kill(tiny.attempt_process("middle"), signal.SIGKILL)
    answer = tiny.ask("up", "dev", "--yes")
    assert answer.code == 4, answer.err
    assert "lost" in answer.err
    assert "orchestrator retry dev#1" in answer.err
    assert tiny.counts("first", "middle", "last") == [1, 1, 0]
    assert tiny.rows("select status from runs") == [("lost",)]


def test_up_asks_what_became_of_what_was_lost(make: Make, world: Path) -> None:
    """Another run repeats it as little as a retry does, until a person has said so."""
    tiny = chain(make, world)
    up = tiny.begin("up", "dev", "--yes")
    tiny.until_begun("middle")
    os.kill(tiny.attempt_process("middle"), signal.SIGKILL)
    assert up.answer().code == 4
    tiny.let("middle")
    blind = tiny.ask("up", "dev", "--yes")
    assert blind.code == 10, blind.all
    assert "orchestrator up dev --lost middle=again" in blind.err
    assert tiny.counts("middle", "last") == [1, 0]
    said = tiny.ask("up", "dev", "--yes", "--lost", "middle=again")
    assert said.code == 0, said.all
    assert tiny.counts("middle", "last") == [2, 1]
    ((body,),) = tiny.rows(
        "select body from audit where verb = 'apply.started' and subject like '%2'"
    )
    assert '"way":"again"' in body


def test_retry_takes_a_run_over(make: Make, world: Path) -> None:
    """`retry` of a run that its controller left goes on with it."""
    tiny = chain(make, world)
    killed_in_the_middle(tiny)
    tiny.let("middle")
    answer = tiny.ask("retry", "dev#1")
    assert answer.code == 0, answer.err
    ended_as_if_nothing_had_happened(tiny)


def test_cancel_takes_a_run_over(make: Make, world: Path) -> None:
    """`cancel` of a run that its controller left ends it, tools and all."""
    tiny = chain(make, world)
    killed_in_the_middle(tiny)
    answer = tiny.ask("cancel", "dev#1")
    assert answer.code == 0, answer.err
    assert tiny.counts("first", "middle", "last") == [1, 1, 0]
    assert tiny.rows("select status from runs") == [("cancelled",)]
    assert tiny.marked() == []
    assert tiny.rows("select count(*) from leases where held") == [(0,)]


def test_status_never_takes_over(make: Make, world: Path) -> None:
    """`status` says that the controller is gone and what to type, and changes nothing."""
    tiny = chain(make, world)
    killed_in_the_middle(tiny)
    tiny.let("middle")
    until(lambda: not tiny.marked(), "the stage has ended")
    answer = tiny.ask("status", "dev#1")
    assert answer.code == 0
    assert "orchestrator wait dev#1" in answer.out
    assert tiny.stage_status("middle") == "running"
    second = tiny.ask("status")
    assert "orchestrator wait dev#1" in second.out


def test_wait_takes_over_while_it_follows(make: Make, world: Path) -> None:
    """`wait` follows a living controller, and takes over when that one dies."""
    tiny = chain(make, world)
    up = tiny.begin("up", "dev", "--yes")
    tiny.until_begun("middle")
    wait = tiny.begin("wait", "dev#1")
    until(lambda: "middle started" in wait.err, "wait follows")
    up.kill()
    tiny.let("middle")
    assert wait.answer().code == 0
    ended_as_if_nothing_had_happened(tiny)


def test_two_that_wait_do_not_collide(make: Make, world: Path) -> None:
    """One of them takes over, the other follows that one; both tell the end."""
    tiny = chain(make, world)
    up = tiny.begin("up", "dev", "--yes")
    tiny.until_begun("middle")
    waits = [tiny.begin("wait", "dev#1") for _ in range(2)]
    until(lambda: all("middle started" in wait.err for wait in waits), "both follow")
    up.kill()
    tiny.let("middle")
    assert [wait.answer().code for wait in waits] == [0, 0]
    ended_as_if_nothing_had_happened(tiny)


def test_killed_while_a_stage_waits_for_its_next_attempt(make: Make, world: Path) -> None:
    """Whoever takes over waits out the rest, and tries no more often than was said."""
    script = f"test $(wc -l < {world}/flaky) -ge 2"
    tiny = make(command(world, "flaky", script, retry={"attempts": 2, "backoff": "3s"}))
    up = tiny.begin("up", "dev", "--yes")
    until(lambda: "flaky failed" in up.err, "the first attempt has failed")
    up.kill()
    answer = tiny.ask("wait", "dev#1")
    assert answer.code == 0, answer.err
    assert tiny.count("flaky") == 2
    assert tiny.rows("select status, attempts from stages") == [("succeeded", 2)]


def _after_the_lease(tiny: Tiny, _: Begun) -> None:
    until(lambda: tiny.database.exists() and _rows(tiny, "select 1 from runs"), "the run is there")


def _before_the_first_start(tiny: Tiny, _: Begun) -> None:
    until(lambda: tiny.stage_status("first") == "running", "the first start is recorded")


def _once_the_first_has_begun(tiny: Tiny, _: Begun) -> None:
    tiny.until_begun("first")


def _between_stages(tiny: Tiny, _: Begun) -> None:
    until(lambda: tiny.stage_status("first") == "succeeded", "the first stage has ended")


def _after_the_result(tiny: Tiny, up: Begun) -> None:
    """The result is written while the controller stands still; then it is killed."""
    tiny.until_begun("middle")
    up.signal(signal.SIGSTOP)
    tiny.let("middle")
    result = tiny.store / "attempts/tiny/dev-1/middle-1/result.json"
    until(result.exists, "the result is written")


POINTS = [
    _after_the_lease,
    _before_the_first_start,
    _once_the_first_has_begun,
    _between_stages,
    _after_the_result,
]


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.__name__.strip("_"))
def test_the_controller_may_die_at_any_point(
    make: Make, world: Path, point: Callable[[Tiny, Begun], None]
) -> None:
    """Wherever the controller is killed, `wait` ends its run and nothing happened twice."""
    tiny = chain(make, world)
    up = tiny.begin("up", "dev", "--yes")
    point(tiny, up)
    up.kill()
    tiny.let("middle")
    answer = tiny.ask("wait", "dev#1")
    assert answer.code == 0, answer.err
    ended_as_if_nothing_had_happened(tiny)


def test_a_start_that_was_asked_for_by_the_dead_comes_to_nothing(make: Make, world: Path) -> None:
    """A parent of attempts that wakes up after its controller's death starts nothing any more."""
    tiny = chain(make, world)
    tiny.let("middle")
    up = tiny.begin("up", "dev", "--yes")
    until(lambda: _parents(up), "the parent of attempts is there")
    (parent,) = _parents(up)
    os.kill(parent, signal.SIGSTOP)
    until(lambda: _order(tiny).exists(), "the order is written")
    until(lambda: _sleeps(up.process.pid), "the controller waits for the parent's answer")
    up.kill()
    first_order = _written_at(_order(tiny))
    wait = tiny.begin("wait", "dev#1")
    until(lambda: _parents(wait), "a second parent is there")
    (second,) = _parents(wait)
    os.kill(second, signal.SIGSTOP)
    until(lambda: _written_at(_order(tiny)) not in (0, first_order), "a second order is written")
    os.kill(parent, signal.SIGCONT)
    until(lambda: has_ended(parent), "the first parent has ended")
    assert tiny.count("first") == 0
    os.kill(second, signal.SIGCONT)
    answer = wait.answer()
    assert answer.code == 0, answer.err
    ended_as_if_nothing_had_happened(tiny)


def test_a_killed_attempt_is_lost(make: Make, world: Path) -> None:
    """SIGKILL of an attempt: its tool's tree is ended, the stage is lost, nothing is repeated."""
    tiny = make(
        held(world, "middle", retry={"attempts": 3, "backoff": "1s"}),
        command(world, "last", needs=["middle"]),
    )
    up = tiny.begin("up", "dev", "--yes")
    tiny.until_begun("middle")
    os.kill(tiny.attempt_process("middle"), signal.SIGKILL)
    answer = up.answer()
    assert answer.code == 4
    assert tiny.counts("middle", "last") == [1, 0]
    assert tiny.marked() == []
    assert tiny.rows("select stage, status from stages order by place") == [
        ("middle", "lost"),
        ("last", "blocked"),
    ]
    assert tiny.rows("select status from runs") == [("lost",)]
    assert "lost" in answer.err
    assert "not run: last" in answer.err
    assert "orchestrator logs dev#1 middle" in answer.err
    assert "orchestrator retry dev#1" in answer.err
    tiny.let("middle")
    blind = tiny.ask("retry", "dev#1")
    assert blind.code == 10
    assert "nobody knows what became of middle" in blind.err
    assert "--lost middle=again" in blind.err
    assert tiny.counts("middle", "last") == [1, 0]
    said = tiny.ask("retry", "dev#1", "--lost", "middle=again")
    assert said.code == 0, said.err
    assert "middle was lost; it is done again: " in said.err
    ((body,),) = tiny.rows("select body from audit where verb = 'run.retried'")
    assert '"stage":"middle"' in body
    assert '"way":"again"' in body
    assert tiny.counts("middle", "last") == [2, 1]


def test_controller_and_attempt_killed(make: Make, world: Path) -> None:
    """Both killed, the tool alive: whoever takes over ends the tool and calls the stage lost."""
    tiny = chain(make, world)
    up = tiny.begin("up", "dev", "--yes")
    tiny.until_begun("middle")
    attempt = tiny.attempt_process("middle")
    up.kill()
    os.kill(attempt, signal.SIGKILL)
    assert tiny.marked()
    answer = tiny.ask("wait", "dev#1")
    assert answer.code == 4
    assert tiny.counts("first", "middle", "last") == [1, 1, 0]
    assert tiny.marked() == []
    assert tiny.rows("select status from runs") == [("lost",)]


def test_a_killed_parent_of_attempts_is_replaced(make: Make, world: Path) -> None:
    """SIGKILL of the process that forks attempts: the running one goes on, later ones start."""
    tiny = chain(make, world)
    up = tiny.begin("up", "dev", "--yes")
    tiny.until_begun("middle")
    (parent,) = _parents(up)
    os.kill(parent, signal.SIGKILL)
    until(lambda: has_ended(parent), "the parent is gone")
    tiny.let("middle")
    answer = up.answer()
    assert answer.code == 0, answer.err
    ended_as_if_nothing_had_happened(tiny)


def test_a_killed_tool_is_a_failure(make: Make, world: Path) -> None:
    """SIGKILL of the tool under a living attempt: the stage has failed and says by which signal."""
    tiny = make(held(world, "middle"))
    up = tiny.begin("up", "dev", "--yes")
    tiny.until_begun("middle")
    (tool,) = [pid for pid in children(tiny.attempt_process("middle")) if pid in tiny.marked()]
    os.kill(tool, signal.SIGKILL)
    answer = up.answer()
    assert answer.code == 4
    assert "SIGKILL" in answer.err
    assert tiny.rows("select status from runs") == [("failed",)]
    assert tiny.marked() == []


def _parents(begun: Begun) -> list[int]:
    """The parent of attempts once it is that: stopped before its exec, its starter hangs for it."""
    return [pid for pid in children(begun.process.pid) if _PARENT in _command_line(pid)]


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it ended while we looked
        return b""


def _order(tiny: Tiny) -> Path:
    return tiny.store / "attempts/tiny/dev-1/first-1/work.json"


def _written_at(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def _sleeps(pid: int) -> bool:
    return Path(f"/proc/{pid}/wchan").read_text().startswith(("unix", "skb", "__skb"))


def _rows(tiny: Tiny, question: str) -> bool:
    return bool(tiny.rows(question))
