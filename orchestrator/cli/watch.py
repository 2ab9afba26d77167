"""The verbs that only look: status and runs."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click

from orchestrator.cli.outcome import failure_text, next_commands, up_command, was_stopped
from orchestrator.cli.settings import Settings, pass_settings
from orchestrator.cli.tables import table
from orchestrator.cli.words import SYMBOLS, changes, clean, duration
from orchestrator.model.codec import encode
from orchestrator.model.runs import Run, StageRun, Status
from orchestrator.services.app import App
from orchestrator.services.holding import person
from orchestrator.services.stacks import told_strays
from orchestrator.services.views import (
    EnvironmentView,
    RunView,
    environment_views,
    newest_runs,
    outputs_shown,
    run_view,
    shown_run,
    since,
)
from orchestrator.wiring.app import opened_app

LONGEST = 2000  # characters of an output that eyes are shown


@click.command()
@click.argument("what", required=False, default="")
@pass_settings
def status(settings: Settings, what: str) -> None:
    """What is where: every environment, one of them, or one run in full."""
    with opened_app(settings.directory, of_runs="#" in what) as app:
        if "#" in what:
            _run(app, settings, what)
        else:
            _environments(app, settings, what)


@click.command()
@click.argument("environment", required=False, default="")
@click.option("--limit", default=20, show_default=True, help="At most so many.")
@pass_settings
def runs(settings: Settings, environment: str, limit: int) -> None:
    """The runs so far, newest first."""
    with opened_app(settings.directory, of_runs=True) as app:
        listed = newest_runs(app, environment=environment, limit=limit)
        if settings.json:
            for run, _ in listed:
                view = run_view(app, run.key)
                click.echo(json.dumps({"v": 1, "type": "run", **shown_run(app, view)}))
            return
        if not listed:
            click.echo("No runs. `orchestrator up ENV` makes the first one.")
            return
        rows = [
            (
                app.spoken(run.key),
                run.action.value,
                f"{SYMBOLS[run.status.value]} {run.status.value}",
                run.started_at.strftime("%Y-%m-%d %H:%M:%S"),
                _took(run),
                release,
                run.requested_by.partition(" pid ")[0],
            )
            for run, release in listed
        ]
        click.echo(
            table(("RUN", "ACTION", "STATUS", "STARTED (UTC)", "TOOK", "RELEASE", "BY"), rows)
        )


def _environments(app: App, settings: Settings, name: str) -> None:
    views = [v for v in environment_views(app) if not name or v.name == name]
    if not views:
        known = ", ".join(app.project.environments) or "none"
        raise click.UsageError(f"there is no environment '{name}'; environments: {known}")
    told = {(view.pipeline, view.name): _told(app, view) for view in views}
    if settings.json:
        for view in views:
            shown = {**_environment_json(app, view), "notes": told[(view.pipeline, view.name)]}
            click.echo(json.dumps({"v": 1, "type": "environment", **shown}))
        return
    rows = [
        (
            view.name if not app.several_pipelines else f"{view.pipeline}/{view.name}",
            _releases(view),
            _age(since(view.in_place)),
            _state(app, view),
            _next(app, view),
        )
        for view in views
    ]
    click.echo(table(("ENV", "RELEASE", "SINCE", "STATE", "NEXT"), rows))
    for notes in told.values():
        for note in notes:
            click.echo(f"note: {clean(note)}", err=True)


def _told(app: App, view: EnvironmentView) -> list[str]:
    """What is not as it should be, though no run failed by it."""
    stages = run_view(app, view.newest.key).stages if view.newest else ()
    notes = [f"{view.name}: {stage.stage}: {note}" for stage in stages for note in stage.notes]
    return [*notes, *told_strays(app, (view.pipeline, view.name))]


def _run(app: App, settings: Settings, what: str) -> None:
    view = run_view(app, app.key(what))
    if settings.json:
        click.echo(json.dumps({"v": 1, "type": "run", **shown_run(app, view)}))
        return
    run = view.run
    click.echo(
        f"{app.spoken(run.key)}  {run.action.value}  {run.status.value}  {_took(run)}\n"
        f"release {view.release} ({run.release[:12]})   environment digest "
        f"{run.environment_digest[:12]}   by {run.requested_by}"
    )
    if run.reason:
        click.echo(clean(run.reason))
    click.echo(table(("", "STAGE", "KIND", "STATUS", "TOOK", "CHANGES", ""), _stage_rows(view)))
    for stage in view.stages:
        for name, value in outputs_shown(app, stage).items():
            shown = value if isinstance(value, str) else json.dumps(value)
            if len(shown) > LONGEST:
                shown = f"{shown[:LONGEST]}… ({len(shown)} characters; --json shows all)"
            click.echo(f"  {stage.stage}.{name} = {clean(shown)}")
    for stage in view.stages:
        if stage.status in (Status.FAILED, Status.LOST) or was_stopped(stage):
            click.echo(failure_text(app, view, stage))
    if run.status.ended and run.status.value != "succeeded":
        click.echo(next_commands(app, view))
    elif not run.status.ended and not view.driven:
        click.echo(f"its controller is gone; go on: orchestrator wait {app.spoken(run.key)}")


def _stage_rows(view: RunView) -> list[tuple[str, ...]]:
    return [
        (
            SYMBOLS[stage.status.value],
            stage.stage,
            stage.kind.value,
            stage.status.value,
            _stage_took(stage),
            _stage_changes(stage),
            clean(stage.reason) or (f"attempt {stage.attempts}" if stage.attempts > 1 else ""),
        )
        for stage in view.stages
    ]


def _stage_changes(stage: StageRun) -> str:
    counts = encode(stage.changes)
    assert isinstance(counts, dict)
    ended = stage.status in (Status.SUCCEEDED, Status.FAILED)
    return changes(stage.kind.value, counts) if ended else ""  # type: ignore[arg-type]  # ints


def _stage_took(stage: StageRun) -> str:
    if stage.started_at is None:
        return ""
    end = stage.ended_at or datetime.now(UTC)
    return duration((end - stage.started_at).total_seconds())


def _took(run: Run) -> str:
    end = run.ended_at or datetime.now(UTC)
    return duration((end - run.started_at).total_seconds())


def _releases(view: EnvironmentView) -> str:
    if not view.releases:
        return "-"
    if len(view.releases) == 1:
        return view.releases[0]
    return f"mixed: {', '.join(view.releases)}"


def _state(app: App, view: EnvironmentView) -> str:
    run = view.newest
    if view.lease is not None and run is not None and not run.status.ended:
        return f"◐ {app.spoken(run.key)} {run.action.value}"
    if run is None:
        return "· never"
    if not view.in_place:
        return f"· empty, {app.spoken(run.key)} {run.action.value} {run.status.value}"
    live = "live" if len(view.in_place) >= view.stages else "in part"
    if run.status.value == "succeeded":
        return f"● {live}, {app.spoken(run.key)}"
    return f"{SYMBOLS[run.status.value]} {live}, {app.spoken(run.key)} {run.status.value}"


def _next(app: App, view: EnvironmentView) -> str:
    run = view.newest
    if view.lease is not None and view.lease.is_hold:
        return f"held by {person(view.lease.owner)}: {clean(view.lease.why)}"
    if view.gate:
        return f"gate {view.gate}"
    if run is None:
        return up_command(app, view.pipeline, view.name)
    if not run.status.ended:
        return f"orchestrator wait {app.spoken(run.key)}"
    if run.status.value != "succeeded":
        return f"orchestrator retry {app.spoken(run.key)}"
    return ""


def _environment_json(app: App, view: EnvironmentView) -> dict[str, object]:
    at = since(view.in_place)
    return {
        "environment": view.name,
        "pipeline": view.pipeline,
        "gate": view.gate,
        "releases": list(view.releases),
        "since": at.isoformat() if at else None,
        "stages_in_place": [here.stage for here in view.in_place],
        "newest_run": app.spoken(view.newest.key) if view.newest else None,
        "newest_status": view.newest.status.value if view.newest else None,
        "held_by": view.lease.purpose if view.lease else None,
    }


def _age(at: datetime | None) -> str:
    return duration((datetime.now(UTC) - at).total_seconds()) if at else ""
