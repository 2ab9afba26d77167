"""Who holds an environment, and does whoever holds it still live?

A living driver holds the lock of its run, a living planner that of run 0, on the machine where it
is. Of another machine's processes nobody here can tell: they count as living.
"""

from __future__ import annotations

import contextlib
import time
from datetime import timedelta
from pathlib import Path

from orchestrator.attempts.folder import AttemptFolder, Proof
from orchestrator.attempts.locks import is_held
from orchestrator.model.errors import Locked
from orchestrator.model.runs import Lease, RunKey
from orchestrator.ports import Transaction
from orchestrator.procs import end_marked
from orchestrator.services.app import App

PLAN = "plan"  # the purpose of a lease under which nothing is changed
PLAN_LASTS = timedelta(hours=1)  # of another machine's: longer ones are taken to be dead
LOCAL = "local"
_PATIENCE = 60.0  # seconds for an attempt that is to end at once


def lock_path(app: App, key: RunKey) -> Path:
    """The lock that the driver of a run holds."""
    return app.folder("attempts", key.pipeline) / f"{key.environment}-{key.number}.lock"


def plan_key(pipeline: str, environment: str) -> RunKey:
    """What a plan has in place of a run's key: a plan is no run and has no number."""
    return RunKey(pipeline, environment, 0)


def is_driven(app: App, key: RunKey) -> bool:
    """Whether a living process drives the run, as far as one can see from here."""
    return is_elsewhere(app, key) or is_held(lock_path(app, key))


def is_elsewhere(app: App, key: RunKey) -> bool:
    """Whether another machine drives the run, or left it: its attempts are there."""
    if app.project.store == LOCAL:
        return False
    with app.store.read() as tx:
        lease = tx.lease(key.pipeline, key.environment)
    return lease is not None and lease.purpose == f"run {key}" and _of_another(app, lease)


def refuse_second(app: App, tx: Transaction, pipeline: str, environment: str) -> None:
    """Raises Locked where somebody holds the environment. A dead planner's lease is taken away."""
    lease = tx.lease(pipeline, environment)
    if lease is None:
        return
    if lease.purpose != PLAN:
        raise _held_by_run(app, lease)
    if _is_living_plan(app, lease):
        since = lease.taken_at.strftime("%H:%M:%S")
        raise Locked(
            f"{environment} is being planned by {lease.owner}, since {since} UTC.",
            holds="Nothing was started.",
            next="Wait for its end, or end that process: a plan changes nothing.",
        )
    tx.release_lease(pipeline, environment, lease.token)


def end_dead_plan(app: App, pipeline: str, environment: str) -> None:
    """No attempt of a plan lives on in the environment. Only under its lease. Raises Locked."""
    key = plan_key(pipeline, environment)
    run_folder = app.folder("attempts", pipeline) / f"{environment}-{key.number}"
    for path in sorted(run_folder.glob("*-*")):
        stage, _, number = path.name.rpartition("-")
        folder = AttemptFolder(path)
        _end(folder)
        end_marked(f"{app.store.id}:{key}/{stage}/{number}", grace=timedelta(0))
        folder.remove()
    with contextlib.suppress(OSError):  # there was none
        run_folder.rmdir()


def _end(folder: AttemptFolder) -> None:
    folder.ask_cancel("kill")
    deadline = time.monotonic() + _PATIENCE
    while folder.proof() is Proof.LIVING:
        if time.monotonic() > deadline:
            raise Locked(
                f"an attempt of an earlier plan does not end: {folder.path}.",
                holds="Nothing was started.",
                next="End the process that holds its attempt.lock.",
            )
        time.sleep(0.02)


def _is_living_plan(app: App, lease: Lease) -> bool:
    if _of_another(app, lease):
        return app.clock.now() - lease.taken_at < PLAN_LASTS
    return is_held(lock_path(app, plan_key(lease.pipeline, lease.environment)))


def _of_another(app: App, lease: Lease) -> bool:
    return app.project.store != LOCAL and _machine(lease.owner) != _machine(app.actor)


def _machine(actor: str) -> str:
    """The host of "ana@laptop pid 4711"."""
    return actor.partition(" pid ")[0].rpartition("@")[2]


def _held_by_run(app: App, lease: Lease) -> Locked:
    key = app.key(lease.purpose.removeprefix("run "))
    name, since = app.spoken(key), lease.taken_at.strftime("%H:%M:%S")
    alive = _of_another(app, lease) or is_held(lock_path(app, key))
    gone = "" if alive else " Its controller is gone; either command below takes it over."
    return Locked(
        f"{key.environment} is being changed by run {name} ({lease.owner}, since {since} UTC)."
        f"{gone}",
        holds="Nothing was started.",
        next=f"Wait for it: orchestrator wait {name}   End it: orchestrator cancel {name}",
    )
