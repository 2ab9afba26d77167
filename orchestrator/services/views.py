"""What can be looked at? Runs, stages and environments as the store has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from orchestrator.model.codec import decode, decode_value, encode
from orchestrator.model.definitions import Environment, Pipeline
from orchestrator.model.events import Recorded
from orchestrator.model.runs import InPlace, Lease, Run, RunKey, StageRun
from orchestrator.model.types import TypeName
from orchestrator.model.values import Json, masked
from orchestrator.services.app import App
from orchestrator.services.holding import is_driven


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One run with its stages, in pipeline order."""

    run: Run
    stages: tuple[StageRun, ...]
    release: str  # its name
    urls: tuple[tuple[str, str], ...]  # declared url outputs of succeeded stages
    driven: bool  # a living process drives it


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentView:
    """What stands in an environment, and who changes it."""

    pipeline: str
    name: str
    gate: str
    in_place: tuple[InPlace, ...]
    releases: tuple[str, ...]  # names; more than one: the environment is mixed
    stages: int  # of the pipeline
    newest: Run | None
    lease: Lease | None


def run_view(app: App, key: RunKey) -> RunView:
    """Raises NotFound."""
    with app.store.read() as tx:
        run, stages = tx.run(key), tx.stage_runs(key)
        release = tx.release(run.release)[1]
    pipeline = decode(Pipeline, run.definition["pipeline"])
    return RunView(
        run=run,
        stages=stages,
        release=release,
        urls=tuple(_urls(app, pipeline, stages)),
        driven=not run.status.ended and is_driven(app, key),
    )


def environment_views(app: App) -> tuple[EnvironmentView, ...]:
    """Every environment of every pipeline, from the first rung of the ladder up."""

    def rung(environment: Environment) -> int:
        below = environment.promote_from.environments
        return 1 + max((rung(app.project.environments[name]) for name in below), default=0)

    with app.store.read() as tx:
        names = {digest: name for digest, name, _ in tx.releases(limit=10_000)}
        return tuple(
            EnvironmentView(
                pipeline=pipeline.name,
                name=environment.name,
                gate=environment.gate,
                in_place=(here := tx.in_place(pipeline.name, environment.name)),
                releases=tuple(dict.fromkeys(names.get(h.release, h.release) for h in here)),
                stages=len(pipeline.stages),
                newest=next(
                    iter(tx.runs(pipeline=pipeline.name, environment=environment.name, limit=1)),
                    None,
                ),
                lease=tx.lease(pipeline.name, environment.name),
            )
            for pipeline in app.project.pipelines.values()
            for environment in sorted(app.project.environments.values(), key=rung)
        )


def outputs_shown(app: App, stage: StageRun) -> dict[str, Json]:
    """A stage's outputs for eyes: secrets are *****."""
    return {
        name: masked(decode_value(value, app.vault.open)) for name, value in stage.outputs.items()
    }


def shown_run(app: App, view: RunView) -> dict[str, Json]:
    """The published JSON form of a run."""
    run = view.run
    return {
        "run": app.spoken(run.key),
        "pipeline": run.key.pipeline,
        "environment": run.key.environment,
        "action": run.action.value,
        "status": run.status.value,
        "reason": run.reason,
        "release": view.release,
        "release_digest": run.release,
        "environment_digest": run.environment_digest,
        "requested_by": run.requested_by,
        "started_at": run.started_at.isoformat(),
        "ended_at": run.ended_at.isoformat() if run.ended_at else None,
        "urls": dict(view.urls),
        "stages": [_shown_stage(app, stage) for stage in view.stages],
    }


def recorded_pages(
    app: App,
    key: RunKey,
    *,
    stage: str = "",
    host: str = "",
    failed: bool = False,
    after: int = 0,
) -> Iterator[tuple[Recorded, ...]]:
    """What a run's stages told, in order, a page at a time, so that memory stays flat."""
    while True:
        with app.store.read() as tx:
            page = tx.recorded(key, stage=stage, host=host, failed=failed, after=after)
        if not page:
            return
        yield page
        after = page[-1].id


def newest_runs(
    app: App, *, pipeline: str = "", environment: str = "", limit: int
) -> tuple[tuple[Run, str], ...]:
    """Runs with their release's name, newest first."""
    with app.store.read() as tx:
        runs = tx.runs(pipeline=pipeline, environment=environment, limit=limit)
        return tuple((run, tx.release(run.release)[1]) for run in runs)


def since(in_place: Iterable[InPlace]) -> datetime | None:
    return max((here.at for here in in_place), default=None)


def _shown_stage(app: App, stage: StageRun) -> Json:
    return {
        "stage": stage.stage,
        "kind": stage.kind.value,
        "status": stage.status.value,
        "reason": stage.reason,
        "attempts": stage.attempts,
        "started_at": stage.started_at.isoformat() if stage.started_at else None,
        "ended_at": stage.ended_at.isoformat() if stage.ended_at else None,
        "changes": encode(stage.changes),
        "failures": encode(stage.failures),
        "hosts": encode(stage.hosts),
        "notes": encode(stage.notes),
        "outputs": outputs_shown(app, stage),
    }


def _urls(app: App, pipeline: Pipeline, stages: Iterable[StageRun]) -> Iterator[tuple[str, str]]:
    for stage in stages:
        declared = pipeline.stages[stage.stage].outputs if stage.status.good else {}
        for name, type_ in declared.items():
            if type_.name is TypeName.URL and name in stage.outputs:
                yield name, str(decode_value(stage.outputs[name], app.vault.open))
