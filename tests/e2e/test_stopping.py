"""What holds where a person stops a run?"""

import signal
from pathlib import Path

import pytest

from tests.e2e.conftest import Make
from tests.e2e.projects import Begun, Tiny, command, held, until

pytestmark = pytest.mark.slow
STUBBORN = "trap '' TERM INT; while :; do sleep 0.05; done"


def begun(make: Make, world: Path, script: str = "") -> tuple[Tiny, Begun]:
    """A run whose first stage waits to be let; another one follows."""
    tiny = make(held(world, "one", script), command(world, "two", needs=["one"]))
    up = tiny.begin("up", "dev", "--yes")
    tiny.until_begun("one")
    return tiny, up


def test_the_first_ctrl_c_starts_nothing_more(make: Make, world: Path) -> None:
    """Running stages finish, the rest is cancelled, and the exit code is 130."""
    tiny, up = begun(make, world)
    up.signal(signal.SIGINT)
    until(lambda: "nothing more is started" in up.err, "it says so")
    tiny.let("one")
    answer = up.answer()
    assert answer.code == 130, answer.err
    assert tiny.rows("select stage, status from stages order by place") == [
        ("one", "succeeded"),
        ("two", "cancelled"),
    ]
    assert tiny.count("two") == 0
    assert "Traceback" not in answer.err
    assert tiny.marked() == []
    again = tiny.ask("retry", "dev#1")
    assert again.code == 0
    assert tiny.counts("one", "two") == [1, 1]


def test_the_second_ctrl_c_cancels(make: Make, world: Path) -> None:
    """Running stages are asked to stop; exit 13."""
    tiny, up = begun(make, world)
    up.signal(signal.SIGINT)
    until(lambda: "nothing more is started" in up.err, "the first is heard")
    up.signal(signal.SIGINT)
    answer = up.answer()
    assert answer.code == 13, answer.err
    assert "cancelling the running stages politely" in answer.err
    assert tiny.rows("select status from stages order by place") == [("cancelled",)] * 2
    assert tiny.rows("select status from runs") == [("cancelled",)]
    assert tiny.marked() == []


def test_the_third_ctrl_c_ends_the_trees(make: Make, world: Path) -> None:
    """A tool that obeys nobody is ended at once by the third."""
    tiny, up = begun(make, world, STUBBORN)
    tiny.let("one")
    for times in (1, 2, 3):
        up.signal(signal.SIGINT)
        until(lambda: up.err.count("ctrl-c:") >= times, f"{times} are heard")  # noqa: B023  # ends within the loop
    answer = up.answer()
    assert answer.code == 13, answer.err
    assert tiny.marked() == []


def test_sigterm_is_a_ctrl_c(make: Make, world: Path) -> None:
    """What a machine that shuts down sends counts as the first Ctrl-C."""
    tiny, up = begun(make, world)
    up.signal(signal.SIGTERM)
    until(lambda: "nothing more is started" in up.err, "it says so")
    tiny.let("one")
    assert up.answer().code == 130
    assert tiny.counts("one", "two") == [1, 0]


def test_cancel_from_elsewhere(make: Make, world: Path) -> None:
    """`cancel` asks the driver, follows it to the end, and ends with 0; the driver ends with 13."""
    tiny, up = begun(make, world)
    answer = tiny.ask("cancel", "dev#1")
    assert answer.code == 0, answer.err
    assert up.answer().code == 13
    assert tiny.rows("select status from runs") == [("cancelled",)]
    assert tiny.marked() == []
    late = tiny.ask("cancel", "dev#1")
    assert late.code == 10
    assert "dev#1 has ended already: cancelled" in late.err


def test_cancel_kill_ends_a_stubborn_tool(make: Make, world: Path) -> None:
    """`cancel --kill` waits for no grace."""
    tiny, up = begun(make, world, STUBBORN)
    tiny.let("one")
    assert tiny.ask("cancel", "dev#1", "--kill").code == 0
    assert up.answer().code == 13
    assert tiny.marked() == []


def test_two_at_once(make: Make, world: Path) -> None:
    """A second act on an environment that is being changed ends with 12 and says who holds it."""
    tiny, up = begun(make, world)
    for words in (("up", "dev", "--yes"), ("destroy", "dev", "--yes")):
        second = tiny.ask(*words)
        assert second.code == 12, second.err
        assert "dev is being changed by run dev#1" in second.err
        assert f"pid {up.process.pid}" in second.err
        assert "orchestrator wait dev#1" in second.err
        assert "orchestrator cancel dev#1" in second.err
    retried = tiny.ask("retry", "dev#1")
    assert retried.code == 12
    assert f"pid {up.process.pid}" in retried.err
    assert "orchestrator wait dev#1" in retried.err
    tiny.let("one")
    assert up.answer().code == 0
    assert tiny.counts("one", "two") == [1, 1]
    assert tiny.rows("select count(*) from runs") == [(1,)]


def test_environments_do_not_wait_for_each_other(make: Make, world: Path) -> None:
    """Another environment is changed at the same time."""
    tiny = make(held(world, "one"))
    tiny.environment("other")
    up = tiny.begin("up", "dev", "--yes")
    tiny.until_begun("one")
    other = tiny.begin("up", "other", "--yes")
    tiny.until_begun("one", 2)
    tiny.let("one")
    assert up.answer().code == 0
    assert other.answer().code == 0


def test_a_terminal_that_goes_away(make: Make, world: Path) -> None:
    """It takes the controller with it, not the attempts; `wait` ends the run."""
    tiny, up = begun(make, world)
    up.signal(signal.SIGHUP)
    tiny.let("one")
    up.process.wait(60)
    wait = tiny.ask("wait", "dev#1")
    assert wait.code == 0, wait.err
    assert tiny.counts("one", "two") == [1, 1]


def test_ctrl_c_is_heard_by_whoever_takes_the_run_over(make: Make, world: Path) -> None:
    """It is recorded who asked: the controller that heard it is killed, and no stage begins."""
    tiny, up = begun(make, world)
    up.signal(signal.SIGINT)
    asked = "select verb from audit where verb like 'run.%'"
    until(lambda: tiny.rows(asked) == [("run.hold_starts",)], "the wish is recorded")
    up.kill()
    tiny.let("one")
    wait = tiny.ask("wait", "dev#1")
    assert wait.code == 13, wait.all
    assert tiny.counts("one", "two") == [1, 0]
