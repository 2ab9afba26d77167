"""What holds where a stage fails?"""

from pathlib import Path

import pytest

from tests.e2e.conftest import Make
from tests.e2e.projects import Tiny, command, outputs

pytestmark = pytest.mark.slow


def statuses(tiny: Tiny) -> dict[str, str]:
    return dict(tiny.rows("select stage, status from stages order by place"))


def failing(make: Make, world: Path) -> Tiny:
    """one → two → three; two fails until the file `mended` is there."""
    return make(
        command(world, "one", outputs(a="from-one"), outputs={"a": "string"}),
        command(
            world,
            "two",
            f'echo "broken by $0" >&2; test -e {world}/mended',
            arguments=["${{ stages.one.outputs.a }}"],
        ),
        command(world, "three", needs=["two"]),
    )


def test_a_failure_says_everything(make: Make, world: Path) -> None:
    """Exit 4; the cause, what did not run, and the next commands."""
    tiny = failing(make, world)
    answer = tiny.ask("up", "dev", "--yes")
    assert answer.code == 4
    assert statuses(tiny) == {"one": "succeeded", "two": "failed", "three": "blocked"}
    assert "it ended with exit code 1" in answer.err
    assert "broken by from-one" in answer.err
    assert "not run: three   (needs two, which failed)" in answer.err
    assert "orchestrator logs dev#1 two" in answer.err
    assert "orchestrator retry dev#1" in answer.err
    assert "orchestrator up dev   # with files changed since" in answer.err
    assert answer.out == ""


def test_retry_goes_on_where_it_failed(make: Make, world: Path) -> None:
    """The good stages are not run again; their recorded outputs are handed on."""
    tiny = failing(make, world)
    assert tiny.ask("up", "dev", "--yes").code == 4
    (world / "mended").touch()
    answer = tiny.ask("retry", "dev#1")
    assert answer.code == 0, answer.err
    assert tiny.counts("one", "two", "three") == [1, 2, 1]
    assert statuses(tiny) == dict.fromkeys(("one", "two", "three"), "succeeded")
    assert tiny.rows("select number from runs") == [(1,)]
    again = tiny.ask("retry", "dev#1")
    assert again.code == 10
    assert "dev#1 succeeded; there is nothing to try again" in again.err
    whole = tiny.ask("retry", "dev#1", "--from", "two")
    assert whole.code == 0, whole.err
    assert tiny.counts("one", "two", "three") == [1, 3, 2]


def test_only_the_newest_run_is_retried(make: Make, world: Path) -> None:
    """What an older run left is no longer there, so it cannot go on."""
    tiny = failing(make, world)
    assert tiny.ask("up", "dev", "--yes").code == 4
    assert tiny.ask("up", "dev", "--yes").code == 4
    answer = tiny.ask("retry", "dev#1")
    assert answer.code == 10
    assert "dev#2 ran after dev#1" in answer.err
    assert tiny.count("two") == 2


def test_retry_runs_what_the_run_ran(make: Make, world: Path) -> None:
    """A retry uses the release of its run, whatever the checkout says by now."""
    tiny = failing(make, world)
    assert tiny.ask("up", "dev", "--yes").code == 4
    tiny.pipeline(command(world, "other"))
    (world / "mended").touch()
    assert tiny.ask("retry", "dev#1").code == 0
    assert tiny.counts("one", "two", "three", "other") == [1, 2, 1, 0]


def test_a_retry_of_another_environment_than_was_is_refused(make: Make, world: Path) -> None:
    """Where the environment's own files changed since, the run cannot go on."""
    tiny = failing(make, world)
    assert tiny.ask("up", "dev", "--yes").code == 4
    tiny.write("inventories/dev/hosts.yaml", "all: {}\n")
    answer = tiny.ask("retry", "dev#1")
    assert answer.code == 10
    assert "changed since dev#1 began" in answer.err
    assert tiny.count("two") == 1


def test_select_runs_a_stage_and_what_needs_it(make: Make, world: Path) -> None:
    """`--select 'two...'`: the others are unneeded; outputs come from what is in place."""
    tiny = failing(make, world)
    (world / "mended").touch()
    assert tiny.ask("up", "dev", "--yes").code == 0
    answer = tiny.ask("up", "dev", "--yes", "--select", "two...")
    assert answer.code == 0, answer.err
    assert tiny.counts("one", "two", "three") == [1, 2, 2]
    unknown = tiny.ask("up", "dev", "--yes", "--select", "tow")
    assert unknown.code == 2
    assert "tow" in unknown.err
    assert "two" in unknown.err


def test_select_without_the_outputs_it_needs(make: Make, world: Path) -> None:
    """A selected stage whose reference nobody ever recorded fails, and says what to select."""
    tiny = failing(make, world)
    answer = tiny.ask("up", "dev", "--yes", "--select", "two")
    assert answer.code == 4
    assert "'stages.one.outputs.a' is not known" in answer.err
    assert tiny.counts("one", "two", "three") == [0, 0, 0]


def test_when_and_on_failure(make: Make, world: Path) -> None:
    """`when: failure | always` run after a failure; `on_failure: continue` stops no other."""
    tiny = make(
        command(world, "bad", "exit 1", on_failure="continue"),
        command(world, "side"),
        command(world, "behind", needs=["bad"]),
        command(world, "rescue", needs=["bad"], when="failure"),
        command(world, "idle", needs=["side"], when="failure"),
        command(world, "tidy", when="always"),
    )
    answer = tiny.ask("up", "dev", "--yes")
    assert answer.code == 4
    assert statuses(tiny) == {
        "bad": "failed",
        "side": "succeeded",
        "behind": "blocked",
        "rescue": "succeeded",
        "idle": "unneeded",
        "tidy": "succeeded",
    }
    assert tiny.counts("bad", "side", "rescue", "tidy") == [1] * 4


def test_on_failure_stop_starts_nothing_more(make: Make, world: Path) -> None:
    """A stage that nobody needs stops the rest all the same; `when: always` still runs."""
    limits = "limits: { run: 1 }\n"
    tiny = make()
    tiny.pipeline(
        command(world, "bad", "exit 1"),
        command(world, "side"),
        command(world, "tidy", when="always"),
        head=limits,
    )
    assert tiny.ask("up", "dev", "--yes").code == 4
    assert statuses(tiny) == {"bad": "failed", "side": "blocked", "tidy": "succeeded"}


def test_a_stage_is_tried_again(make: Make, world: Path) -> None:
    """Attempts, backoff and causes: `on: [failed]` tries a failure again, until it succeeds."""
    script = f"test $(wc -l < {world}/flaky) -ge 3"
    retry = {"attempts": 3, "on": ["failed"], "backoff": "0s"}
    tiny = make(command(world, "flaky", script, retry=retry))
    answer = tiny.ask("up", "dev", "--yes")
    assert answer.code == 0, answer.err
    assert tiny.count("flaky") == 3
    assert "flaky started (attempt 3)" in answer.err
    assert tiny.rows("select attempts from stages") == [(3,)]


def test_another_cause_is_not_tried_again(make: Make, world: Path) -> None:
    """`on: [timeout]` does not try a failure again."""
    retry = {"attempts": 3, "on": ["timeout"], "backoff": "0s"}
    tiny = make(command(world, "bad", "exit 1", retry=retry))
    assert tiny.ask("up", "dev", "--yes").code == 4
    assert tiny.count("bad") == 1


def test_a_stage_may_take_no_longer_than_its_timeout(make: Make, world: Path) -> None:
    """A time-out ends the tool, is said as such, and is a cause to try again."""
    retry = {"attempts": 2, "on": ["timeout"], "backoff": "0s"}
    tiny = make(command(world, "slow", "exec sleep 1000", timeout="1s", retry=retry))
    answer = tiny.ask("up", "dev", "--yes")
    assert answer.code == 4
    assert tiny.count("slow") == 2
    assert "did not end within" in answer.err
    assert tiny.marked() == []


def test_a_program_that_does_not_exist(make: Make) -> None:
    """The stage fails, naming the program, and nothing was changed."""
    tiny = make('  one: { command: [no-such-program-of-ours, "1"] }\n')
    answer = tiny.ask("up", "dev", "--yes")
    assert answer.code == 4
    assert "no-such-program-of-ours cannot be started: it was not found" in answer.err
    assert "Traceback" not in answer.err


def test_a_missing_secret_starts_nothing(make: Make, world: Path) -> None:
    """A secret whose variable is not set refuses the run before anything is stored or started."""
    tiny = make(command(world, "one", env={"MAIL": "${{ secrets.mail }}"}))
    tiny.environment("dev", "secrets: { mail: env://NO_SUCH_VARIABLE }\n")
    answer = tiny.ask("up", "dev", "--yes")
    assert answer.code == 1
    assert "NO_SUCH_VARIABLE" in answer.err
    assert "Traceback" not in answer.err
    assert tiny.count("one") == 0
    assert tiny.rows("select count(*) from runs") == [(0,)]
