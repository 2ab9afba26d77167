"""What can people do with leases?"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.attempts.locks import FileLock
from orchestrator.model.errors import Fenced, Locked, NotFound, Refused
from orchestrator.model.runs import RunKey, RunStatus
from orchestrator.services.app import Admission, App
from orchestrator.services.holding import Standing, ticket_path
from orchestrator.services.interrupts import Interrupts
from orchestrator.services.leases import broken, give_back, hold, lease_views, places
from orchestrator.services.machine import machine_of
from orchestrator.services.runs import adopt
from tests.services.stage_app import Small, small

ONE = "a: { command: { run: [x] } }"
DEV = (("tiny", "dev"),)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Small]:
    with small(tmp_path, ONE) as project:
        yield project


def _as(app: App, actor: str, *, held: bool = False) -> App:
    return replace(app, actor=actor, admission=Admission(held=held))


def _under(project: Small, actor: str, *, held: bool) -> Small:
    return replace(project, app=_as(project.app, actor, held=held))


def _audit(app: App) -> list[str]:
    with app.store.read() as tx:
        return [str(row["verb"]) for row in tx.audit_rows()]


def test_a_hold_keeps_everybody_out_and_says_why(project: Small) -> None:
    """Others, and the holder's own acts too unless they say --held."""
    hold(_as(project.app, "ana@a pid 1"), DEV, why="moving disks", lasts=None)
    for actor in ("bo@b pid 2", "ana@a pid 3"):
        with pytest.raises(Locked, match="moving disks"):
            _under(project, actor, held=False).up()
    with pytest.raises(Locked, match="ana@a holds dev"):
        _under(project, "bo@b pid 2", held=True).up()


def test_acts_under_a_hold_leave_it_as_it_was(project: Small) -> None:
    """After the run the hold is back, under a new token: the run's writes more are refused."""
    (before,) = hold(_as(project.app, "ana@a pid 1"), DEV, why="work", lasts=None)
    assert _under(project, "ana@a pid 2", held=True).up().status is RunStatus.SUCCEEDED
    (view,) = lease_views(project.app, DEV)
    assert view.lease is not None
    assert view.lease.as_hold() == before.as_hold()
    assert view.lease.token > before.token + 1


def test_a_hold_that_is_over_counts_for_nothing(project: Small) -> None:
    """It ends by its time, also on its holder's own machine."""
    hold(_as(project.app, "ana@a pid 1"), DEV, why="work", lasts=timedelta(hours=2))
    project.clock.at += timedelta(hours=2)
    assert _under(project, "bo@b pid 2", held=False).up().status is RunStatus.SUCCEEDED


def test_a_hold_is_renewed_by_its_holder_alone(project: Small) -> None:
    """The same person says another reason; another person is refused."""
    ana = _as(project.app, "ana@a pid 1")
    hold(ana, DEV, why="one", lasts=None)
    (again,) = hold(replace(ana, actor="ana@a pid 9"), DEV, why="two", lasts=None)
    assert again.why == "two"
    with pytest.raises(Locked, match="two"):
        hold(_as(project.app, "bo@b pid 2"), DEV, why="three", lasts=None)


def test_a_hold_is_renewed_although_others_wait(project: Small) -> None:
    """They wait for its end; where it was over they came first."""
    ana, at = _as(project.app, "ana@a pid 1"), project.clock.now
    hold(ana, DEV, why="one", lasts=timedelta(hours=1))
    with project.app.store.write() as tx:
        ticket = tx.add_ticket(
            *DEV[0],
            owner="bo@b pid 2",
            machine=machine_of(project.app),
            purpose="up dev",
            at=at(),
            deadline=at() + timedelta(days=1),
            alive_until=at() + timedelta(days=1),
        )
    with closing(FileLock.taken(ticket_path(project.app, ticket)) or pytest.fail("is held")):
        (again,) = hold(ana, DEV, why="two", lasts=timedelta(hours=1))
        assert again.why == "two"
        project.clock.at += timedelta(hours=1)
        with pytest.raises(Locked, match="bo@b pid 2 waits for dev"):
            hold(ana, DEV, why="three", lasts=None)


def test_all_or_none_is_held(project: Small) -> None:
    """Where one of several cannot be held, none is."""
    hold(_as(project.app, "bo@b pid 2"), (("tiny", "other"),), why="mine", lasts=None)
    both = (*DEV, ("tiny", "other"))
    with pytest.raises(Locked, match="mine"):
        hold(_as(project.app, "ana@a pid 1"), both, why="all", lasts=None)
    assert lease_views(project.app, DEV)[0].lease is None


def test_a_hold_is_given_back_by_its_holder(project: Small) -> None:
    """Whoever holds nothing is told so."""
    ana = _as(project.app, "ana@a pid 1")
    hold(ana, DEV, why="work", lasts=None)
    with pytest.raises(Refused, match="you hold nothing of dev"):
        give_back(_as(project.app, "bo@b pid 2"), DEV)
    give_back(ana, DEV)
    assert project.up().status is RunStatus.SUCCEEDED
    assert [verb for verb in _audit(project.app) if verb.startswith("hold")] == [
        "hold.ended",
        "hold.began",
    ]


def test_whoever_lost_a_broken_lease_writes_nothing_more(project: Small) -> None:
    """The token is used up, the reason is in the audit."""
    (mine,) = hold(_as(project.app, "ana@a pid 1"), DEV, why="work", lasts=None)
    broken(_as(project.app, "bo@b pid 2"), DEV[0], why="ana is on holiday", living=False)
    assert _audit(project.app)[0] == "lease.broken"
    with pytest.raises(Fenced), project.app.store.write() as tx:
        tx.check_lease("tiny", "dev", mine.token)
    assert project.up().status is RunStatus.SUCCEEDED


def test_a_living_holder_is_not_broken_by_accident(project: Small) -> None:
    """Only where that is said; its run then records nothing more and says who has it."""

    def breaks(_: object) -> None:
        with pytest.raises(Refused, match="at work on this machine"):
            broken(project.app, DEV[0], why="x", living=False)
        broken(project.app, DEV[0], why="it hangs", living=True)

    project.attempts.before = breaks
    with pytest.raises(Fenced):
        project.up()


def test_nothing_to_break_and_no_reason_are_told(project: Small) -> None:
    """Each in words."""
    with pytest.raises(NotFound, match="nobody holds dev"):
        broken(project.app, DEV[0], why="x", living=False)
    with pytest.raises(Refused, match="reason"):
        broken(project.app, DEV[0], why=" ", living=False)
    with pytest.raises(Refused, match="says why"):
        hold(project.app, DEV, why="", lasts=None)


def test_places_are_those_of_the_project(project: Small) -> None:
    """A name nobody knows is told, with the known ones."""
    assert places(project.app, "dev") == DEV
    with pytest.raises(NotFound, match="environments: dev"):
        places(project.app, "prod")
    with pytest.raises(NotFound, match="pipelines: tiny"):
        places(project.app, "dev", "other")


def test_what_is_free_is_shown_as_free(project: Small) -> None:
    """And what is held as held."""
    assert lease_views(project.app, DEV)[0].standing is None
    hold(project.app, DEV, why="work", lasts=None)
    assert lease_views(project.app, DEV)[0].standing is Standing.HELD


def test_a_broken_lease_lets_nobody_in_beside_its_run(project: Small) -> None:
    """The run has not ended by that: it is taken over, or waited for, before another begins."""

    def breaks(_: object) -> None:
        broken(project.app, DEV[0], why="it hangs", living=True)
        for act in (project.up, lambda: hold(project.app, DEV, why="x", lasts=None)):
            with pytest.raises(Locked, match=r"dev#1 has not ended: .* its controller still lives"):
                act()

    project.attempts.before = breaks
    with pytest.raises(Fenced):
        project.up()
    project.attempts.before = lambda _: None
    with pytest.raises(Locked, match="nobody drives it"):
        project.up()
    key = RunKey("tiny", "dev", 1)
    ended = adopt(project.app, key, listener=print, interrupts=Interrupts())
    assert ended.status is RunStatus.SUCCEEDED
    assert project.up().status is RunStatus.SUCCEEDED
