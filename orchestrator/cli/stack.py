"""`stack`: the states of Pulumi stacks that the store keeps."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import click

from orchestrator.cli.change import pipeline_of, pipeline_option
from orchestrator.cli.moving import export_to, import_from, passphrase
from orchestrator.cli.settings import Settings, pass_settings
from orchestrator.cli.tables import table
from orchestrator.cli.words import clean
from orchestrator.model.errors import UsageError
from orchestrator.model.events import LogLine
from orchestrator.model.stacks import Stack
from orchestrator.services.app import App
from orchestrator.services.leases import Where, places
from orchestrator.services.shells import shell_order
from orchestrator.services.stacks import (
    StackView,
    exported,
    removed,
    restored,
    stack_at,
    stack_views,
    versions_of,
)
from orchestrator.wiring.app import opened_app
from orchestrator.wiring.shell import run_in_shell


@click.group()
def stack() -> None:
    """The states of Pulumi stacks: every version, and back to one."""


for _command in (import_from, export_to, passphrase):
    stack.add_command(_command)


@stack.command("list")
@click.argument("environment", required=False, default="")
@pipeline_option
@pass_settings
def list_(settings: Settings, environment: str, pipeline: str) -> None:
    """The stacks of ENVIRONMENT (default: all) that the store keeps."""
    with opened_app(settings.directory, of_runs=True) as app:
        views = stack_views(app, places(app, environment, pipeline))
        several = app.several_pipelines
        strays = {view.stack.name for view in views if view.is_stray(app)}
    if settings.json:
        for view in views:
            stray = view.stack.name in strays
            click.echo(json.dumps({"v": 1, "type": "stack", **_json(view), "stray": stray}))
        return
    if not views:
        click.echo("No stacks in the store. `orchestrator up ENV` makes the first ones.")
        return
    head = ("ENV", "STAGE", "STACK", "VERSION", "RESOURCES", "CHANGED (UTC)", "BY")
    click.echo(table(head, [_row(view, several) for view in views]))
    for name in sorted(map(str, strays)):
        click.echo(f"{clean(name)}: no stage names it any more; nothing takes it away.", err=True)


@stack.command()
@click.argument("environment")
@click.argument("stage")
@click.option("--limit", default=20, show_default=True, help="At most so many.")
@pipeline_option
@pass_settings
def history(settings: Settings, environment: str, stage: str, limit: int, pipeline: str) -> None:
    """Every version of the stack of STAGE, newest first."""
    with opened_app(settings.directory, of_runs=True) as app:
        where = _where(app, environment, pipeline)
        found = versions_of(app, stack_at(app, where, stage), limit=limit)
    if settings.json:
        for version in found:
            shown = {
                "version": version.version,
                "kind": version.kind,
                "result": version.result,
                "run": version.run,
                "stage": version.stage,
                "resources": version.resources,
                "pending": version.pending,
                "digest": version.digest,
                "at": version.at.isoformat(),
                "ended_at": version.ended_at.isoformat() if version.ended_at else None,
            }
            click.echo(json.dumps({"v": 1, "type": "stack-version", **shown}))
        return
    rows = [
        (
            str(version.version),
            version.kind,
            version.result,
            f"{version.at:%Y-%m-%d %H:%M:%S}",
            version.run or "by hand",
            str(version.resources),
            f"{version.pending} not ended" if version.pending else "",
        )
        for version in found
    ]
    click.echo(table(("VERSION", "KIND", "RESULT", "AT (UTC)", "BY", "RESOURCES", ""), rows))


@stack.command()
@click.argument("environment")
@click.argument("stage")
@click.argument("version", type=click.IntRange(min=1), required=False)
@click.option("--file", "file", type=click.Path(path_type=Path), help="Into this file.")
@pipeline_option
@pass_settings
def export(
    settings: Settings,
    environment: str,
    stage: str,
    version: int | None,
    file: Path | None,
    pipeline: str,
) -> None:
    """The state of STAGE's stack as JSON, its secrets encrypted; VERSION: not the last one."""
    with opened_app(settings.directory, of_runs=True) as app:
        found = stack_at(app, _where(app, environment, pipeline), stage)
        text = exported(app, found, version or 0)
    if file is None:
        click.echo(json.dumps(json.loads(text), indent=4))
        return
    try:
        file.write_text(json.dumps(json.loads(text), indent=4) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}.") from error


@stack.command()
@click.argument("environment")
@click.argument("stage")
@click.argument("version", type=click.IntRange(min=1))
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pipeline_option
@pass_settings
def restore(
    settings: Settings, environment: str, stage: str, version: int, yes: bool, pipeline: str
) -> None:
    """Make VERSION the state of STAGE's stack again. Nothing in the world changes by it.

    What was made since is then known to no stack; `orchestrator up` shows what it would do.
    """
    if not yes and not settings.ask:
        raise UsageError("nobody is there to ask: say --yes. Nothing was changed.")
    with opened_app(settings.directory) as app:
        where = _where(app, environment, pipeline)
        found = stack_at(app, where, stage)
        if not yes:
            question = f"Make version {version} the state of {found.name} (now {found.version})?"
            click.confirm(question, abort=True, err=True)
        new = restored(app, where, found, version)
    click.echo(
        f"{found.name} is as it was at version {version}; that is version {new} now. "
        f"What it would change: orchestrator up {environment}"
    )


@stack.command()
@click.argument("environment")
@click.argument("name", metavar="STACK")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pipeline_option
@pass_settings
def remove(settings: Settings, environment: str, name: str, yes: bool, pipeline: str) -> None:
    """Remove STACK, which is empty, from ENVIRONMENT. Its versions so far stay in the store."""
    if not yes and not settings.ask:
        raise UsageError("nobody is there to ask: say --yes. Nothing was changed.")
    with opened_app(settings.directory) as app:
        where = _where(app, environment, pipeline)
        if not yes:
            click.confirm(f"Remove the stack {name} of {environment}?", abort=True, err=True)
        gone = removed(app, where, name)
    click.echo(f"the stack {gone.name} is not there any more")


@stack.command()
@click.argument("environment")
@click.argument("stage")
@click.argument("command", nargs=-1)
@pipeline_option
@pass_settings
def shell(
    settings: Settings, environment: str, stage: str, command: tuple[str, ...], pipeline: str
) -> None:
    """Run COMMAND (default: your shell) where the ordinary `pulumi` finds the stack of STAGE.

    \b
    orchestrator stack shell dev hosts -- pulumi preview
    orchestrator stack shell dev hosts -- pulumi stack export

    It only looks, unless you hold ENVIRONMENT: orchestrator hold ENVIRONMENT --why …
    """
    words = command or (os.environ.get("SHELL", "/bin/sh"),)
    if not command and not settings.ask:
        raise UsageError("nobody is there to type: say which command, after --.")
    with opened_app(settings.directory, of_runs=True) as app:
        where = _where(app, environment, pipeline)
        with shell_order(app, where, stage, shlex.join(words)) as (order, only_looks):
            if only_looks:
                click.echo(only_looks, err=True)
            code = run_in_shell(app, order, words, only_looks=only_looks, report=_line)
    raise click.exceptions.Exit(code if code >= 0 else 128 - code)


def _line(event: object) -> None:
    """What the program prints."""
    if isinstance(event, LogLine):
        click.echo(clean(event.text), err=True)


def _where(app: App, environment: str, pipeline: str) -> Where:
    (where,) = places(app, environment, pipeline_of(app, pipeline))
    return where


def _row(view: StackView, several: bool) -> tuple[str, ...]:
    found, last = view.stack, view.last
    begun = f" ({found.pending} not ended)" if found.pending else ""
    return (
        _environment(found, several),
        ", ".join(view.stages) or "-",
        clean(str(found.name)),
        str(found.version),
        f"{found.resources}{begun}",
        f"{found.changed_at:%Y-%m-%d %H:%M:%S}",
        (last.run or "by hand") if last else "-",
    )


def _environment(found: Stack, several: bool) -> str:
    return f"{found.pipeline}/{found.environment}" if several else found.environment


def _json(view: StackView) -> dict[str, object]:
    found = view.stack
    return {
        "pipeline": found.pipeline,
        "environment": found.environment,
        "stages": list(view.stages),
        "project": found.name.project,
        "stack": found.name.name,
        "version": found.version,
        "resources": found.resources,
        "pending": found.pending,
        "changed_at": found.changed_at.isoformat(),
        "run": view.last.run if view.last else "",
    }
