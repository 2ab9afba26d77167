"""How does a run go on that did not succeed? It is reopened, with what it has recorded so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace

from orchestrator.attempts.locks import FileLock
from orchestrator.core.graph import graph_of
from orchestrator.core.selection import select
from orchestrator.model.definitions import Pipeline, When
from orchestrator.model.errors import Locked, Refused
from orchestrator.model.events import RunEvent
from orchestrator.model.runs import Action, Run, RunKey, RunStatus, StageRun, Status
from orchestrator.model.values import Json
from orchestrator.services.app import App
from orchestrator.services.driver import Listener
from orchestrator.services.driving import as_run, drive, narrowed_to
from orchestrator.services.holding import lock_path, take
from orchestrator.services.interrupts import Interrupts
from orchestrator.services.machine import machine_of
from orchestrator.services.settling import Settlement, Way, must_be_settled, settlements
from orchestrator.services.sources import same_environment


def retry(
    app: App,
    key: RunKey,
    *,
    from_stage: str = "",
    failed_hosts: bool = False,
    words: Mapping[str, str] | None = None,
    say: Callable[[str], None] = lambda _: None,
    listener: Listener,
    interrupts: Interrupts,
) -> Run:
    """The run goes on from the stages that did not succeed, with the outputs recorded so far.

    from_stage: that stage and all that depend on it run again as well. failed_hosts: Ansible
    stages run only the hosts that failed or were not reached. words: what a person says of lost
    stages (settling.settlements); say: told how each is settled, before anything is begun. Raises
    Locked where the run has not
    ended, Refused where it succeeded, is not the environment's newest, or its environment's files
    changed since.
    """
    with app.store.read() as tx:
        run, stages = tx.run(key), tx.stage_runs(key)
        newest = tx.runs(pipeline=key.pipeline, environment=key.environment, limit=1)[0]
    _may_retry(app, run, newest, from_stage)
    asked = as_run(run)
    settled = settlements(app, run, asked[0], stages, words)
    must_be_settled(settled, f"orchestrator retry {app.spoken(key)}")
    for each in settled:
        say(f"{each.stage} was lost; {each.text}.")
    stages = _as_settled(stages, settled)
    again = _again(asked[0], run.action, stages, from_stage)
    hosts = _failed_hosts(stages) if failed_hosts else {}
    for stage, names in hosts.items():
        say(f"{stage}: only {', '.join(names)}.")
    same_environment(app, run, asked[1], asked[0])
    run, lock = _reopened(app, run, again, settled, hosts)
    with closing(lock):
        return drive(app, run, asked, listener=listener, interrupts=interrupts)


def _may_retry(app: App, run: Run, newest: Run, from_stage: str) -> None:
    name = app.spoken(run.key)
    if not run.status.ended:
        raise Locked(
            f"{name}, begun by {run.requested_by}, has not ended.",
            holds="Nothing was started.",
            next=f"Follow it: orchestrator wait {name}",
        )
    if run.status is RunStatus.SUCCEEDED and not from_stage:
        raise Refused(
            f"{name} succeeded; there is nothing to try again.",
            next=f"From a stage: orchestrator retry {name} --from STAGE",
        )
    if newest.key != run.key:
        raise Refused(
            f"{app.spoken(newest.key)} ran after {name}; what stands there is no longer what "
            f"{name} left.",
            holds="Nothing was started.",
            next=f"Start anew: orchestrator up {run.key.environment}",
        )


def _again(
    pipeline: Pipeline, action: Action, stages: Sequence[StageRun], from_stage: str
) -> tuple[StageRun, ...]:
    chosen: tuple[str, ...] = ()
    if from_stage:
        pattern = f"{from_stage}..." if action is Action.APPLY else f"...{from_stage}"
        chosen = select(graph_of(pipeline), (pattern,))

    def stays(stage: StageRun) -> bool:
        """What succeeded stays; what runs only after a failure, or always, is asked anew."""
        ordinary = (
            action is Action.DESTROY or pipeline.stages[stage.stage].when is When.SUCCESS
        )  # taking away has no failure of its own to answer
        return stage.status.good and ordinary and stage.stage not in chosen

    return tuple(
        stage
        if stays(stage)
        else replace(
            stage, status=Status.PENDING, reason="", failures=(), started_at=None, ended_at=None
        )
        for stage in stages
    )


def _failed_hosts(stages: Sequence[StageRun]) -> dict[str, tuple[str, ...]]:
    bad = ("failed", "unreachable", "not_reached")
    chosen = {
        stage.stage: tuple(host for host, state in stage.hosts.items() if state in bad)
        for stage in stages
        if stage.status is Status.FAILED
    }
    return {stage: hosts for stage, hosts in chosen.items() if hosts}


def _as_settled(stages: Sequence[StageRun], settled: Sequence[Settlement]) -> tuple[StageRun, ...]:
    done = {each.stage: each.why for each in settled if each.way is Way.DONE}
    return tuple(
        replace(stage, status=Status.SUCCEEDED, reason=f"settled: {done[stage.stage]}")
        if stage.stage in done
        else stage
        for stage in stages
    )


def _reopened(
    app: App,
    run: Run,
    stages: Sequence[StageRun],
    settled: Sequence[Settlement],
    hosts: Mapping[str, tuple[str, ...]],
) -> tuple[Run, FileLock]:
    key, now = run.key, app.clock.now()
    lock = FileLock.taken(lock_path(app, key))
    if lock is None:
        raise Locked(f"{app.spoken(key)} is driven by another process.")
    with app.store.write() as tx:
        lease = take(app, tx, key.pipeline, key.environment, purpose=f"run {key}")
        newest = tx.runs(pipeline=key.pipeline, environment=key.environment, limit=1)[0]
        if newest != run:  # of what was decided meanwhile nothing holds any more
            raise Locked(
                f"{app.spoken(newest.key)} was driven by another process meanwhile.",
                holds="Nothing was started.",
                next=f"See what it did: orchestrator status {app.spoken(newest.key)}",
            )
        run = replace(
            narrowed_to(run, hosts),
            status=RunStatus.RUNNING,
            ended_at=None,
            reason="",
            lease_token=lease.token,
            machine=machine_of(app),
        )
        tx.save_run(run)
        tx.forget_requests(key)  # they were heard when they were asked; the audit keeps them
        for stage in stages:
            tx.save_stage_run(stage)
        chosen: dict[str, Json] = {stage: list(names) for stage, names in hosts.items()}
        happened: list[tuple[str, str, Mapping[str, Json]]] = [
            *((each.stage, "stage.settled", each.body()) for each in settled),
            *((stage, "stage.narrowed", {"hosts": names}) for stage, names in chosen.items()),
        ]
        for stage_name, type_, body in happened:
            event = RunEvent(type=type_, run=app.spoken(key), at=now, stage=stage_name, body=body)
            tx.add_run_event(key, event)
        tx.audit(
            actor=app.actor,
            verb="run.retried",
            subject=str(key),
            at=now,
            body={"settled": [each.body() for each in settled], "only_hosts": chosen},
        )
    return run, lock
