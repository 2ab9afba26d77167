"""What can be asked of runs: start one, take one over, go on with one, stop one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing

from orchestrator.attempts.hints import hint, hint_name
from orchestrator.attempts.locks import FileLock
from orchestrator.core.graph import graph_of
from orchestrator.core.selection import select
from orchestrator.model.codec import encode
from orchestrator.model.definitions import Environment, Pipeline, StageKind
from orchestrator.model.errors import Locked, NotFound, Refused
from orchestrator.model.runs import (
    Action,
    RequestKind,
    Run,
    RunKey,
    RunStatus,
    StageRun,
)
from orchestrator.services.app import App
from orchestrator.services.backends import backend_to_record, check_backend, check_place
from orchestrator.services.driver import Listener
from orchestrator.services.driving import as_run, drive
from orchestrator.services.holding import (
    is_driven,
    is_elsewhere,
    lock_path,
    regained,
    take,
    was_elsewhere,
)
from orchestrator.services.interrupts import Interrupts
from orchestrator.services.machine import machine_of
from orchestrator.services.plans import StagePlan, planned
from orchestrator.services.settling import Settlement, must_be_settled, settlements
from orchestrator.services.sources import Sources, prepared

_LOST = RunStatus.LOST


def start(
    app: App,
    *,
    pipeline: str,
    environment: str,
    action: Action,
    select_: Sequence[str] = (),
    words: Mapping[str, str] | None = None,
    listener: Listener,
    interrupts: Interrupts,
) -> Run:
    """A new run, driven to its end.

    words: what a person says of stages that the run before lost (settling.settlements). Raises
    Refused (a gate, a protection, a moved state, a lost stage that nobody said anything of), Locked
    (somebody changes the environment), NotFound, UsageError, ReleaseError, SecretError: then
    nothing was started.
    """
    asked = _pipeline(app, pipeline), _environment(app, environment)
    _allowed(app, *asked, action)
    select(graph_of(asked[0]), select_)
    settled = _settled_before(app, asked[0], environment, action, words or {})
    sources = prepared(app, *asked)
    run, lock = _opened(app, *asked, action, select_, sources, settled)
    with closing(lock):
        return drive(app, run, asked, listener=listener, interrupts=interrupts)


def plan(
    app: App,
    *,
    pipeline: str,
    environment: str,
    select_: Sequence[str] = (),
    say: Callable[[str], None],
    interrupts: Interrupts,
) -> tuple[StagePlan, ...]:
    """What `start` would do, stage by stage; raises as it does, and changes nothing."""
    asked = asked_for(app, pipeline, environment, Action.APPLY)
    sources = prepared(app, *asked)
    return planned(app, *asked, sources, patterns=select_, say=say, interrupts=interrupts)


def asked_for(
    app: App, pipeline: str, environment: str, action: Action
) -> tuple[Pipeline, Environment]:
    """What is meant by the names. Raises NotFound; Refused where that is not allowed there."""
    asked = _pipeline(app, pipeline), _environment(app, environment)
    _allowed(app, *asked, action)
    return asked


def adopt(app: App, key: RunKey, *, listener: Listener, interrupts: Interrupts) -> Run:
    """A run whose controller died, driven to its end. Raises NotFound; Locked where it lives."""
    with app.store.read() as tx:
        tx.run(key)  # before a lock is made for what is not there
    if is_elsewhere(app, key):
        raise Locked(
            f"{app.spoken(key)} is driven by another machine; only that one can take it over.",
            next=f"Follow it: orchestrator wait {app.spoken(key)}",
        )
    lock = FileLock.taken(lock_path(app, key))
    if lock is None:
        raise Locked(
            f"{app.spoken(key)} is driven by another process.",
            next=f"Follow it: orchestrator wait {app.spoken(key)}",
        )
    with closing(lock):
        with app.store.read() as tx:
            run = tx.run(key)
        if run.status.ended:
            return run
        run = regained(app, run)
        if run.status.ended:
            return run
        elsewhere = was_elsewhere(app, run)
        asked = as_run(run)
        return drive(app, run, asked, listener=listener, interrupts=interrupts, elsewhere=elsewhere)


def request(app: App, key: RunKey, kind: RequestKind) -> Run:
    """The driver of the run is asked to stop. Raises Refused where the run has ended."""
    with app.store.write() as tx:
        run = tx.run(key)
        if run.status.ended:
            raise Refused(
                f"{app.spoken(key)} has ended already: {run.status.value}.",
                holds="Nothing was changed.",
            )
        tx.add_request(key, kind, by=app.actor, at=app.clock.now())
        tx.audit(
            actor=app.actor,
            verb=f"run.{kind.value}",
            subject=str(key),
            at=app.clock.now(),
            body={},
        )
    hint(hint_name(app.run_folder(key)))
    return run


def is_left(app: App, key: RunKey) -> bool:
    """Whether the run has not ended and nobody drives it. Raises NotFound."""
    if is_driven(app, key):
        return False
    with app.store.read() as tx:  # after the look: a run that ended meanwhile is not left
        return not tx.run(key).status.ended


def unfinished(app: App, pipeline: str, environment: str) -> Run | None:
    """The environment's run that has not ended, whether it is driven or not."""
    with app.store.read() as tx:
        newest = tx.runs(pipeline=pipeline, environment=environment, limit=1)
    return newest[0] if newest and not newest[0].status.ended else None


# starting


def _pipeline(app: App, name: str) -> Pipeline:
    if name not in app.project.pipelines:
        raise NotFound(
            f"there is no pipeline '{name}'.", next=f"Pipelines: {', '.join(app.project.pipelines)}"
        )
    return app.project.pipelines[name]


def _environment(app: App, name: str) -> Environment:
    if name not in app.project.environments:
        known = ", ".join(app.project.environments) or "none (inventories/<env>/environment.yaml)"
        raise NotFound(f"there is no environment '{name}'.", next=f"Environments: {known}")
    return app.project.environments[name]


def _allowed(app: App, pipeline: Pipeline, environment: Environment, action: Action) -> None:
    """What the environment itself refuses, before anybody is asked for anything."""
    name = environment.name
    if environment.gate:
        raise Refused(
            f"{name} is behind gate '{environment.gate}': it takes only what was approved and "
            f"rehearsed, by a promotion.",
            holds="Nothing was started.",
            next="Promotion is not part of this version yet; environments without a gate can be "
            "brought up.",
        )
    if action is Action.DESTROY and environment.protect.destroy:
        raise Refused(
            f"{name} is protected against destroy (protect.destroy in "
            f"{environment.position.file}).",
            holds="Nothing was started.",
        )
    if action is Action.DESTROY:
        _left_behind(app, pipeline, environment)
    asking = [s.name for s in pipeline.stages.values() if s.kind is StageKind.APPROVAL]
    if asking and action is Action.APPLY:
        raise Refused(
            f"stage {', '.join(asking)} asks for an approval, which this version cannot record.",
            holds="Nothing was started.",
        )
    check_backend(app, pipeline.name, environment)


def _settled_before(
    app: App, pipeline: Pipeline, environment: str, action: Action, words: Mapping[str, str]
) -> tuple[Settlement, ...]:
    """How what the run before lost is settled; an unknown outcome is never repeated blindly."""
    with app.store.read() as tx:
        newest = tx.runs(pipeline=pipeline.name, environment=environment, limit=1)
        stages = tx.stage_runs(newest[0].key) if newest else ()
    if action is Action.DESTROY or not newest or (not words and newest[0].status is not _LOST):
        return ()
    settled = settlements(app, newest[0], as_run(newest[0])[0], stages, words)
    must_be_settled(settled, f"orchestrator up {environment}")
    return settled


def _left_behind(app: App, pipeline: Pipeline, environment: Environment) -> None:
    """Nobody may destroy what the pipeline no longer knows how to take away."""
    with app.store.read() as tx:
        here = tx.in_place(pipeline.name, environment.name)
        gone = [place for place in here if place.stage not in pipeline.stages]
        left = [place for place in gone if _leaves_something(tx.run(place.run), place.stage)]
        commits = {str(tx.release(place.release)[3].get("commit") or "") for place in left}
    if left:
        names = ", ".join(place.stage for place in left)
        known = [commit[:12] for commit in sorted(commits) if commit]
        raise Refused(
            f"stage {names} is in place, but pipeline {pipeline.name} no longer has it, so nobody "
            "knows how to take it away.",
            holds="Nothing was started.",
            next="Put the stage back and destroy then"
            + (f"; it was in commit {', '.join(known)}." if known else "."),
        )


def _leaves_something(run: Run, stage: str) -> bool:
    """Whether a stage, as it was in that run, has anything to take away."""
    was = as_run(run)[0].stages[stage]
    return was.kind is StageKind.PULUMI or was.destroy is not None


def _opened(
    app: App,
    pipeline: Pipeline,
    environment: Environment,
    action: Action,
    patterns: Sequence[str],
    sources: Sources,
    settled: Sequence[Settlement],
) -> tuple[Run, FileLock]:
    """Lease, run, stages and audit row in one transaction; the run's lock is held before it."""
    now = app.clock.now()
    with app.store.write() as tx:
        number = tx.next_number(pipeline.name, environment.name)
        key = RunKey(pipeline.name, environment.name, number)
        lease = take(app, tx, pipeline.name, environment.name, purpose=f"run {key}")
        lock = FileLock.taken(lock_path(app, key))
        if lock is None:
            raise Locked(f"{app.spoken(key)} is being started by another process.")
        run = Run(
            key=key,
            action=action,
            status=RunStatus.RUNNING,
            release=sources.release,
            environment_digest=sources.environment_digest,
            requested_by=app.actor,
            started_at=now,
            machine=machine_of(app),
            select=tuple(patterns),
            lease_token=lease.token,
            definition={"pipeline": encode(pipeline), "environment": encode(environment)},
        )
        tx.add_run(
            run,
            [
                StageRun(run=key, stage=stage.name, kind=stage.kind, order=order)
                for order, stage in enumerate(pipeline.stages.values())
            ],
        )
        recorded = tx.backend(pipeline.name, environment.name)
        check_place(app, environment, recorded)
        if recorded is None:
            backend = backend_to_record(environment)
            tx.record_backend(pipeline.name, environment.name, backend)
        tx.audit(
            actor=app.actor,
            verb=f"{action.value}.started",
            subject=str(key),
            at=now,
            body={
                "release": sources.release,
                "environment": sources.environment_digest,
                **({"settled": [each.body() for each in settled]} if settled else {}),
            },
        )
    return run, lock
