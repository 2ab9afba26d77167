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
from orchestrator.model.errors import Locked, Refused
from orchestrator.model.runs import RunKey, RunStatus
from orchestrator.services import holding, runs
from orchestrator.services.interrupts import Interrupts
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


def _lease(project: Small, purpose: str, owner: str = "ana@laptop pid 9") -> None:
    with project.app.store.write() as tx:
        tx.take_lease("tiny", "dev", owner=owner, purpose=purpose, at=project.clock.now())


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
    _lease(project, f"run {key}", owner="bo@server pid 7")
    assert holding.is_driven(shared.app, key)
    assert not runs.is_left(shared.app, key)
    with pytest.raises(Locked, match="another machine"):
        runs.adopt(shared.app, key, listener=print, interrupts=Interrupts())
    with pytest.raises(Locked, match="bo@server"):
        shared.up()
    assert project.attempts.started == ["a"]
    assert runs.is_left(project.app, key)  # a store of this machine's own knows no other


def test_another_machines_plan_ends_by_itself(project: Small) -> None:
    """Nobody here can see whether it lives: it counts for an hour."""
    shared = _shared(project)
    _lease(project, "plan", owner="bo@server pid 7")
    with pytest.raises(Locked, match="bo@server"):
        shared.up()
    project.clock.at += timedelta(hours=2)
    assert shared.up().status is RunStatus.SUCCEEDED


def test_stacks_of_another_machine_are_not_made_twice(project: Small) -> None:
    """Where the stacks lie in a machine's own folder, another machine of the store is refused."""
    shared = _shared(project)
    assert shared.up().status is RunStatus.SUCCEEDED
    assert shared.up().status is RunStatus.SUCCEEDED  # the same machine goes on
    (project.app.store.folder / "machine").write_text("server-1")  # as another one has it
    with pytest.raises(Refused, match="another one"):
        shared.up()
    assert project.attempts.started == ["a", "a"]
