"""Who comes first, who waits, and who keeps everybody out: as a person types it."""

from pathlib import Path

import pytest

from tests.e2e.conftest import Make
from tests.e2e.projects import Tiny, command, held, until

pytestmark = pytest.mark.slow


def _at_work(make: Make, world: Path) -> Tiny:
    """dev#1 is at work in its only stage."""
    tiny = make(held(world, "one"))
    tiny.begin("up", "dev", "--yes")
    tiny.until_begun("one")
    return tiny


def test_without_wait_the_second_is_refused(make: Make, world: Path) -> None:
    """With exit 12, and told who is there and how to queue."""
    tiny = _at_work(make, world)
    second = tiny.ask("up", "dev", "--yes")
    assert second.code == 12
    assert "dev#1" in second.err
    assert tiny.count("one") == 1


def test_whoever_waits_begins_when_it_is_its_turn(make: Make, world: Path) -> None:
    """First come, first served; each says whom it waits for."""
    tiny = _at_work(make, world)
    second = tiny.begin("up", "dev", "--yes", "--wait", "10m")
    until(lambda: "dev#1" in second.err, "the second waits")
    third = tiny.begin("up", "dev", "--yes", "--wait", "10m")
    until(lambda: len(tiny.rows("select id from tickets")) == 2, "the third waits")
    shown = tiny.ask("lease", "show", "dev")
    assert shown.out.count("is waited for by") == 2
    tiny.let("one")
    answers = [begun.answer() for begun in tiny.begun] if second and third else []
    assert [answer.code for answer in answers] == [0, 0, 0], [a.err for a in answers]
    assert "dev#2" in answers[1].all
    assert "dev#3" in answers[2].all
    assert tiny.rows("select id from tickets") == []
    assert not list(tiny.store.glob("attempts/tiny/waits-*"))


def test_whoever_does_not_get_its_turn_in_time_drops(make: Make, world: Path) -> None:
    """Exit 12 after the deadline, with nothing started and nothing left in the queue."""
    tiny = _at_work(make, world)
    late = tiny.ask("up", "dev", "--yes", "--wait", "1s")
    assert late.code == 12
    assert "was to start before" in late.err
    assert tiny.rows("select id from tickets") == []
    assert tiny.rows("select number from runs") == [(1,)]


def test_a_killed_waiter_holds_up_nobody(make: Make, world: Path) -> None:
    """It came first, and is gone."""
    tiny = _at_work(make, world)
    waiter = tiny.begin("up", "dev", "--yes", "--wait", "10m")
    until(lambda: "dev#1" in waiter.err, "it waits")
    waiter.kill()
    tiny.let("one")
    assert tiny.begun[0].answer().code == 0
    assert tiny.ask("up", "dev", "--yes").code == 0


def test_who_waits_for_a_dead_controller_takes_its_run_over(make: Make, world: Path) -> None:
    """The run is driven to its end first, then the own one begins."""
    tiny = _at_work(make, world)
    waiter = tiny.begin("up", "dev", "--yes", "--wait", "10m")
    until(lambda: "dev#1" in waiter.err, "it waits")
    tiny.let("one")
    tiny.begun[0].kill()
    answer = waiter.answer()
    assert answer.code == 0, answer.err
    assert [s for (s,) in tiny.rows("select status from runs")] == ["succeeded"] * 2


def test_a_hold_by_hand(make: Make, world: Path) -> None:
    """Held, shown, refused, gone on under it, given back, shown as free."""
    tiny = make(command(world, "one"))
    assert tiny.ask("hold", "dev", "--why", "moving disks", "--for", "2h").code == 0
    refused = tiny.ask("up", "dev", "--yes")
    assert refused.code == 12
    assert "moving disks" in refused.err
    assert "--held" in refused.err
    assert "moving disks" in tiny.ask("status").out
    assert tiny.ask("up", "dev", "--yes", "--held").code == 0
    assert "moving disks" in tiny.ask("lease", "show").out
    assert tiny.ask("hold", "dev", "--release").code == 0
    assert tiny.ask("--json", "lease", "show", "dev").last["standing"] == "free"
    assert tiny.ask("up", "dev", "--yes").code == 0


def test_what_is_typed_wrongly_is_told(make: Make, world: Path) -> None:
    """No reason, no environment, both kinds of one, a length of time that is none."""
    tiny = make(command(world, "one"))
    for words, code, says in (
        (("hold",), 2, "say which environment"),
        (("hold", "dev", "--all"), 2, "say which environment"),
        (("hold", "dev"), 10, "says why"),
        (("hold", "prod", "--why", "x"), 1, "no environment 'prod'"),
        (("hold", "dev", "--why", "x", "--for", "soon"), 2, "must be a duration"),
        (("hold", "dev", "--release"), 10, "you hold nothing of dev"),
        (("up", "dev", "--yes", "--wait", "0s"), 2, "more than nothing"),
        (("lease", "break", "dev"), 2, "say --yes"),
        (("lease", "break", "dev", "--yes", "--why", "x"), 1, "nobody holds dev"),
        (("lease", "show", "prod"), 1, "no environment 'prod'"),
    ):
        said = tiny.ask(*words)
        assert (said.code, says in said.err) == (code, True), (words, said.all)
        assert "Traceback" not in said.err


def test_a_broken_run_stops_and_says_why(make: Make, world: Path) -> None:
    """Its controller learns it at its next write and ends what it began."""
    tiny = _at_work(make, world)
    assert tiny.ask("lease", "break", "dev", "--yes", "--why", "hangs").code == 10
    broke = tiny.ask("lease", "break", "dev", "--yes", "--why", "hangs", "--living")
    assert broke.code == 0, broke.err
    tiny.let("one")
    answer = tiny.begun[0].answer()
    assert answer.code == 12
    assert "no longer the current one" in answer.err
    until(lambda: not tiny.marked(), "its tools have ended")
