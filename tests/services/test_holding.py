"""Who holds an environment, and what becomes of it when the holder has died?"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.attempts.folder import AttemptFolder, Proof
from orchestrator.attempts.locks import FileLock
from orchestrator.model.errors import Fenced, Locked, Refused
from orchestrator.model.runs import RunKey, RunStatus
from orchestrator.services import holding, runs
from orchestrator.services.app import Admission
from orchestrator.services.interrupts import Interrupts
from orchestrator.services.machine import machine_of
from tests.services.stage_app import Small, small

ONE = "a: { command: { run: [x] } }"
SLEEPER = """\
import fcntl, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
lock = open(folder / "attempt.lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
print("living", flush=True)
while not (folder / "cancel").exists():
    time.sleep(0.01)
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Small]:
    with small(tmp_path, ONE) as project:
        yield project


def _lease(
    project: Small, purpose: str, owner: str = "ana@laptop pid 9", machine: str = "local"
) -> None:
    with project.app.store.write() as tx:
        now = project.clock.now()
        tx.take_lease("tiny", "dev", owner=owner, purpose=purpose, at=now, machine=machine)


def _shared(project: Small) -> Small:
    """The same, with a store that other machines use as well."""
    elsewhere = replace(project.app.project, store="postgresql://db/x")
    return replace(project, app=replace(project.app, project=elsewhere))


def test_a_dead_plans_lease_holds_up_nobody(project: Small) -> None:
    """Whoever was killed while planning left a lease that the next one takes away."""
    _lease(project, "plan")
    assert project.up().status is RunStatus.SUCCEEDED
    with project.app.store.read() as tx:
        assert tx.lease("tiny", "dev") is None


def test_a_living_plan_is_waited_for(project: Small) -> None:
    """While somebody plans, nobody else begins, and is told who it is."""
    _lease(project, "plan")
    lock = FileLock.taken(holding.lock_path(project.app, holding.plan_key("tiny", "dev")))
    assert lock is not None
    with closing(lock), pytest.raises(Locked, match="is being planned by ana@laptop pid 9"):
        project.up()


def test_a_plan_gives_its_lease_back(project: Small) -> None:
    """Also where it could not be made."""

    def fail(_: object) -> None:
        raise KeyboardInterrupt

    project.attempts.before = fail
    with pytest.raises(KeyboardInterrupt):
        runs.plan(
            project.app,
            pipeline="tiny",
            environment="dev",
            say=lambda _: None,
            interrupts=Interrupts(),
        )
    with project.app.store.read() as tx:
        assert tx.lease("tiny", "dev") is None
    assert not (project.app.store.folder / "attempts/tiny/dev-0").exists()


def test_attempts_of_a_dead_plan_are_ended_before_anything_begins(project: Small) -> None:
    """What a killed planner left running does not run beside a run."""
    path = project.app.folder("attempts", "tiny", "dev-0", "a-1")
    left = AttemptFolder(path)
    with subprocess.Popen([sys.executable, "-c", SLEEPER, path], stdout=subprocess.PIPE) as living:
        assert living.stdout is not None
        assert living.stdout.readline() == b"living\n"
        assert left.proof() is Proof.LIVING
        _lease(project, "plan")

        def look(_: AttemptFolder) -> None:
            living.wait(0)  # raises where it still lives

        project.attempts.before = look
        assert project.up().status is RunStatus.SUCCEEDED
    assert not path.exists()


def test_a_run_of_another_machine_is_never_adopted(project: Small) -> None:
    """Its attempts are not here: they would be started once more."""
    shared, key = _shared(project), RunKey("tiny", "dev", 1)
    project.attempts.before = lambda _: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        project.up()
    with project.app.store.write() as tx:
        token = tx.run(key).lease_token
        tx.release_lease("tiny", "dev", token)
    _lease(project, f"run {key}", owner="bo@server pid 7", machine="server-1")
    assert holding.is_driven(shared.app, key)
    assert not runs.is_left(shared.app, key)
    with pytest.raises(Locked, match="another machine"):
        runs.adopt(shared.app, key, listener=print, interrupts=Interrupts())
    with pytest.raises(Locked, match="bo@server"):
        shared.up()
    assert project.attempts.started == ["a"]
    assert runs.is_left(project.app, key)  # a store of this machine's own knows no other


def _left_by_another(project: Small) -> RunKey:
    """dev#1 was begun by server-1, which died in stage a."""

    def die(folder: AttemptFolder) -> None:
        folder.started.touch()
        raise KeyboardInterrupt

    shared, machine = _shared(project), project.app.store.folder / "machine"
    machine.write_text("server-1")
    project.attempts.before = die
    with pytest.raises(KeyboardInterrupt):
        shared.up()
    project.attempts.before = lambda _: None
    machine.write_text("server-2")
    AttemptFolder(project.app.run_folder(RunKey("tiny", "dev", 1)) / "a-1").remove()
    return RunKey("tiny", "dev", 1)


def test_another_machines_run_is_taken_over_once_its_lease_is_over(project: Small) -> None:
    """What was under way there is lost, never begun once more; its token writes nothing more."""
    shared, key = _shared(project), _left_by_another(project)
    with pytest.raises(Locked, match="another machine"):
        runs.adopt(shared.app, key, listener=print, interrupts=Interrupts())
    with project.app.store.read() as tx:
        token = tx.run(key).lease_token
    project.clock.at += timedelta(minutes=5)
    assert runs.is_left(shared.app, key)
    ended = runs.adopt(shared.app, key, listener=print, interrupts=Interrupts())
    assert ended.status is RunStatus.LOST
    with project.app.store.read() as tx:
        (stage,) = tx.stage_runs(key)
    assert "machine server-1" in stage.reason
    assert project.attempts.started == ["a"]
    with pytest.raises(Fenced), project.app.store.write() as tx:
        tx.check_lease("tiny", "dev", token)
    assert shared.up(words={"a": "again"}).status is RunStatus.SUCCEEDED


def test_a_run_of_another_machine_whose_lease_was_broken_is_lost_too(project: Small) -> None:
    """Its attempts hear of it when they renew: until then nobody takes it over, nor begins anew."""
    shared, key = _shared(project), _left_by_another(project)
    with project.app.store.write() as tx:
        lease = tx.lease("tiny", "dev")
        assert lease is not None
        tx.break_lease("tiny", "dev", lease.token)
    with pytest.raises(Locked, match="driven by another machine"):
        runs.adopt(shared.app, key, listener=print, interrupts=Interrupts())
    with pytest.raises(Locked, match="its lease was broken"):
        shared.up()
    project.clock.at += timedelta(minutes=5)
    ended = runs.adopt(shared.app, key, listener=print, interrupts=Interrupts())
    assert ended.status is RunStatus.LOST
    assert project.attempts.started == ["a"]


def test_another_machines_plan_ends_by_itself(project: Small) -> None:
    """Nobody here can see whether it lives: it counts until its lease is over."""
    shared = _shared(project)
    _lease(project, "plan", owner="bo@server pid 7", machine="server-1")
    with pytest.raises(Locked, match="bo@server"):
        shared.up()
    project.clock.at += timedelta(minutes=5)
    assert shared.up().status is RunStatus.SUCCEEDED


def test_stacks_of_another_machine_are_not_made_twice(project: Small) -> None:
    """Where the stacks lie in a machine's own folder, another machine of the store is refused.

    Older versions began environments so; what is recorded stays.
    """
    shared = _shared(project)
    with project.app.store.write() as tx:
        tx.record_backend("tiny", "dev", f"store@{machine_of(shared.app)}")
    assert shared.up().status is RunStatus.SUCCEEDED
    assert shared.up().status is RunStatus.SUCCEEDED  # the same machine goes on
    (project.app.store.folder / "machine").write_text("server-1")  # as another one has it
    with pytest.raises(Refused, match="another one"):
        shared.up()
    assert project.attempts.started == ["a", "a"]


def test_whoever_lost_the_lease_records_nothing_more(project: Small) -> None:
    """A driver whose lease was broken is told so, and what it had begun is left to the next."""

    def lose(_: AttemptFolder) -> None:
        with project.app.store.write() as tx:
            tx.break_lease("tiny", "dev", 1)

    project.attempts.before = lose
    with pytest.raises(Fenced, match="token 1 is no longer the current one"):
        project.up()
    key = RunKey("tiny", "dev", 1)
    with project.app.store.read() as tx:
        assert tx.run(key).status is RunStatus.RUNNING
    ended = runs.adopt(project.app, key, listener=print, interrupts=Interrupts())
    assert (ended.status, ended.lease_token) == (RunStatus.SUCCEEDED, 3)
    assert project.attempts.started == ["a"]


def test_a_driver_renews_its_lease(tmp_path: Path) -> None:
    """Another machine sees by it that the run lives."""
    until = []
    with small(tmp_path, ONE, "b: { command: { run: [x] }, needs: [a] }") as project:

        def look(_: AttemptFolder) -> None:
            with project.app.store.read() as tx:
                lease = tx.lease("tiny", "dev")
            assert lease is not None
            until.append(lease.until)
            project.clock.at += timedelta(minutes=2)

        project.attempts.before = look
        begun = project.clock.at
        assert project.up().status is RunStatus.SUCCEEDED
    assert until == [begun + timedelta(minutes=minutes) for minutes in (5, 7)]


class TestHolds:
    def test_a_hold_keeps_everybody_out_until_it_is_released(self, project: Small) -> None:
        """Its own person as well, unless they say that they go on under it."""
        _lease(project, "hold: new disks")
        with pytest.raises(Locked, match=r"you hold dev.*new disks.*--held"):
            project.up()
        other = replace(project, app=replace(project.app, actor="bo@server pid 3"))
        with pytest.raises(Locked, match=r"ana@laptop holds dev.*new disks"):
            other.up()
        held = replace(other, app=replace(other.app, admission=Admission(held=True)))
        with pytest.raises(Locked, match=r"ana@laptop holds dev"):
            held.up()
        assert project.attempts.started == []

    def test_its_person_goes_on_under_it(self, project: Small) -> None:
        """And it is there again afterwards."""
        _lease(project, "hold: new disks")
        mine = replace(project, app=replace(project.app, admission=Admission(held=True)))
        assert mine.up().status is RunStatus.SUCCEEDED
        with project.app.store.read() as tx:
            lease = tx.lease("tiny", "dev")
        assert lease is not None
        assert (lease.why, lease.token) == ("new disks", 3)

    def test_a_hold_whose_time_is_over_holds_up_nobody(self, project: Small) -> None:
        """Also on the machine where it was taken."""
        _lease(project, "hold: new disks")
        project.clock.at += timedelta(minutes=5)
        assert project.up().status is RunStatus.SUCCEEDED
