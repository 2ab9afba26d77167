"""How does a run go on, from what the store has of it, to its end?"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from orchestrator.core.graph import graph_of
from orchestrator.core.nodes import narrowest, nodes_of
from orchestrator.core.references import references_in
from orchestrator.core.run_state import RunState
from orchestrator.core.selection import left_out_by
from orchestrator.model.codec import decode
from orchestrator.model.definitions import Environment, Pipeline, StageKind
from orchestrator.model.errors import Fenced, OrchestratorError, StoreUnwritable
from orchestrator.model.events import RunEvent
from orchestrator.model.runs import LEASE_LASTS, Action, InPlace, Run, RunStatus, Status
from orchestrator.model.values import Json
from orchestrator.services.app import App
from orchestrator.services.begun import begun
from orchestrator.services.driver import Driver, Listener
from orchestrator.services.holding import was_elsewhere
from orchestrator.services.interrupts import Interrupts
from orchestrator.services.machine import LOCAL
from orchestrator.services.orders import RunContext
from orchestrator.services.sources import settled
from orchestrator.services.sweeping import end_leftovers, sweep

STORE_PATIENCE = LEASE_LASTS  # for a database that does not answer: as long as the lease is ours
DEFAULT_WIDTH = 32
"""Stages of a run that may be under way at once where no `limits: { run: … }` says otherwise."""


def drive(
    app: App,
    run: Run,
    asked: tuple[Pipeline, Environment],
    *,
    listener: Listener,
    interrupts: Interrupts,
    elsewhere: str = "",
) -> Run:
    """elsewhere: the machine that drove the run before, and has its attempts.

    A database of several machines that does not answer is waited for; attempts go on meanwhile, and
    the run goes on from what was recorded. Raises StoreUnwritable where it stays away.
    """
    listener(begun(app, run.key))
    while True:
        try:
            return _driven(
                app,
                run,
                asked,
                listener=listener,
                interrupts=interrupts,
                elsewhere=elsewhere,
            )
        except StoreUnwritable as error:
            if app.project.store == LOCAL:
                raise
            run = _still_ours(app, run, _once_it_answers(app, run, error, listener))
        if run.status.ended:
            return run
        elsewhere = was_elsewhere(app, run)


def _once_it_answers(app: App, run: Run, error: StoreUnwritable, listener: Listener) -> Run:
    """The run as the store has it, once it answers again. Raises StoreUnwritable."""
    since = app.clock.now()
    until = since + STORE_PATIENCE
    body: dict[str, Json] = {"why": error.what, "until": until.isoformat()}
    listener(RunEvent(type="run.store_away", run=str(run.key), at=since, body=body))
    while True:
        time.sleep(1)
        try:
            with app.store.read() as tx:
                return tx.run(run.key)
        except StoreUnwritable as still:
            if app.clock.now() >= until:
                raise StoreUnwritable(
                    f"{still.what} It has not answered for {STORE_PATIENCE}.",
                    holds="Attempts ended their tools with the lease; what they did is kept.",
                    next=f"Once it is back: orchestrator wait {app.spoken(run.key)}",
                ) from still


def _still_ours(app: App, before: Run, now: Run) -> Run:
    """Raises Fenced where another one took the run over meanwhile."""
    if now.status.ended or now.lease_token == before.lease_token:
        return now
    name = app.spoken(now.key)
    raise Fenced(
        f"{name} was taken over by another process while the database did not answer.",
        holds="It goes on there.",
        next=f"Follow it: orchestrator wait {name}",
    )


def _driven(
    app: App,
    run: Run,
    asked: tuple[Pipeline, Environment],
    *,
    listener: Listener,
    interrupts: Interrupts,
    elsewhere: str,
) -> Run:
    pipeline, environment = asked
    with app.store.read() as tx:
        runs = tx.stage_runs(run.key)
        _, release_name, _, body = tx.release(run.release)
    graph = graph_of(pipeline)
    once = _ran_elsewhere(app, pipeline, run)
    nodes = nodes_of(
        pipeline,
        graph,
        left_out={
            **left_out_by(graph, run.select),
            **_nothing_to_destroy(app, pipeline, run),
            **{name: f"once: ran in {here.environment} already" for name, here in once.items()},
        },
        recorded={stage.stage: stage for stage in runs},
    )
    limits = narrowest(pipeline.limits, environment.limits)
    limits = replace(limits, run=limits.run or DEFAULT_WIDTH)
    state = RunState(nodes, action=run.action, limits=limits)
    artifacts = body.get("artifacts", {})
    assert isinstance(artifacts, Mapping)
    context = RunContext(
        run=run,
        pipeline=pipeline,
        environment=environment,
        release_name=release_name,
        artifacts=artifacts,
        tree=app.tree(run.key.pipeline, run.key.environment),
    )
    if elsewhere:  # what was begun here before that machine took the run over is shut out
        end_leftovers(app, run.key.pipeline, run.key.environment)
        sweep(app, run.key)
    # Where a stage runs, its files were laid before; what it makes beside them is left alone.
    if not any(stage.status is Status.RUNNING for stage in runs):
        _prepare(app, run, pipeline, environment)
    driver = Driver(
        app,
        context,
        graph,
        state,
        runs,
        listener=listener,
        interrupts=interrupts,
        only_hosts=narrowed(run),
        elsewhere=elsewhere,
        borrowed={name: here.outputs for name, here in once.items()},
    )
    return driver.drive()


def _ran_elsewhere(app: App, pipeline: Pipeline, run: Run) -> Mapping[str, InPlace]:
    """`once: release` stages that this very release ran in another environment already."""
    once = [stage.name for stage in pipeline.stages.values() if stage.once]
    if not once or run.action is not Action.APPLY:
        return {}
    with app.store.read() as tx:
        places = [
            here
            for environment in app.project.environments
            if environment != run.key.environment
            for here in tx.in_place(pipeline.name, environment)
        ]
    return {
        here.stage: here
        for here in places
        if here.stage in once and here.release == run.release and here.inputs_digest
    }


def _nothing_to_destroy(app: App, pipeline: Pipeline, run: Run) -> Mapping[str, str]:
    """Stages that leave nothing of their own: only stacks do, and what says how it is destroyed.

    Nor does a stage that cannot have begun, for what it is made from never came.
    """
    if run.action is not Action.DESTROY:
        return {}
    with app.store.read() as tx:
        there = {here.stage for here in tx.in_place(run.key.pipeline, run.key.environment)}
    nothing: dict[str, str] = {}
    for stage in pipeline.stages.values():
        if stage.kind is not StageKind.PULUMI and stage.destroy is None:
            nothing[stage.name] = "leaves nothing to take away"
        elif stage.destroy is not None and stage.name not in there:
            paths = (reference.path for reference in references_in(stage.destroy))
            missing = [path[1] for path in paths if path[0] == "stages" and path[1] not in there]
            if missing:
                nothing[stage.name] = f"never began: {missing[0]} never succeeded here"
    return nothing


def _prepare(app: App, run: Run, pipeline: Pipeline, environment: Environment) -> None:
    """Nobody else is there, and the files are; else the run has ended, and its lease is free."""
    try:
        end_leftovers(app, pipeline.name, environment.name)
        settled(app, run, environment, pipeline)
    except OrchestratorError as error:
        _abandon(app, run, error)
        raise


def _abandon(app: App, run: Run, error: OrchestratorError) -> None:
    """The run ends before any stage began: its lease is free and its record says why."""
    now = app.clock.now()
    with app.store.write() as tx:
        tx.save_run(replace(run, status=RunStatus.FAILED, reason=str(error), ended_at=now))
        tx.release_lease(run.key.pipeline, run.key.environment, run.lease_token)
        tx.audit(
            actor=run.requested_by,
            verb=f"{run.action.value}.ended",
            subject=str(run.key),
            at=now,
            body={"status": RunStatus.FAILED.value, "reason": str(error)},
        )


def as_run(run: Run) -> tuple[Pipeline, Environment]:
    """The definitions a run was started with, whatever the checkout says by now."""
    return (
        decode(Pipeline, run.definition["pipeline"]),
        decode(Environment, run.definition["environment"]),
    )


def narrowed_to(run: Run, hosts: Mapping[str, tuple[str, ...]]) -> Run:
    """The run as it goes on; whoever takes it over runs no other hosts of these stages either."""
    names: dict[str, Json] = {stage: list(each) for stage, each in hosts.items()}
    return replace(run, definition={**run.definition, "only_hosts": names})


def narrowed(run: Run) -> Mapping[str, tuple[str, ...]]:
    """Per stage, the only hosts that its newest retry was for."""
    return decode(dict[str, tuple[str, ...]], run.definition.get("only_hosts", {}))
