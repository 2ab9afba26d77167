"""What is said when a run has ended? Its result; a failure with its cause and next commands."""

from __future__ import annotations

import json
from typing import Any

import click

from orchestrator.cli.settings import Settings
from orchestrator.cli.words import changes, clean, duration
from orchestrator.model.codec import encode
from orchestrator.model.runs import Action, Run, RunStatus, StageRun, Status
from orchestrator.services.app import App
from orchestrator.services.driving import as_run
from orchestrator.services.settling import Way, settlements
from orchestrator.services.views import RunView, run_view, shown_run

_CODES = {
    RunStatus.SUCCEEDED: 0,
    RunStatus.FAILED: 4,
    RunStatus.LOST: 4,
    RunStatus.STOPPED: 10,
    RunStatus.WAITING: 11,
    RunStatus.CANCELLED: 13,
}


def exit_code(_app: App, run: Run) -> int:
    """As in the interfaces reference, section 4."""
    return _CODES.get(run.status, 1)


def finished(app: App, settings: Settings, run: Run) -> None:
    """The end of a run: what changed and where to look, or what failed and what to type next."""
    view = run_view(app, run.key)
    if settings.json:
        click.echo(json.dumps({"v": 1, "type": "run", **shown_run(app, view)}))
        return
    if run.status is RunStatus.SUCCEEDED:
        _succeeded(view, app.spoken(run.key))
        return
    for stage in view.stages:
        if stage.status in (Status.FAILED, Status.LOST) or was_stopped(stage):
            click.echo(failure_text(app, view, stage), err=True)
    click.echo(_not_run(view), err=True, nl=False)
    if run.reason:
        click.echo(f"{run.status.value}: {clean(run.reason)}", err=True)
    click.echo(next_commands(app, view), err=True)


def was_stopped(stage: StageRun) -> bool:
    """Whether it was under way when it was cancelled: it may have done a part."""
    return stage.status is Status.CANCELLED and stage.attempts > 0


def failure_text(app: App, view: RunView, stage: StageRun) -> str:
    """Cause, host, task file:line, what changed already and what was not touched."""
    took = _took(stage)
    name = app.spoken(view.run.key)
    if stage.status is Status.LOST:
        lines = [f"? {stage.stage}   {stage.kind.value}  {took}   lost: {clean(stage.reason)}"]
        lines += [
            f"  {clean(each.text)}"
            for each in settlements(app, view.run, as_run(view.run)[0], view.stages)
            if each.stage == stage.stage
        ]
        return "\n".join([*lines, f"  what it told: orchestrator logs {name} {stage.stage}"])
    hosts = stage.hosts
    bad = [host for host, state in hosts.items() if state in ("failed", "unreachable")]
    word = "   cancelled" if stage.status is Status.CANCELLED else ""
    head = f"✗ {stage.stage}   {stage.kind.value}  {took}{word}"
    if bad:
        head += f"   {len(bad)} of {len(hosts)} hosts failed"
    lines = [head]
    task = ""
    for failure in stage.failures:
        if failure.task and failure.task != task:
            task = failure.task
            lines.append(f"  TASK {clean(task)}" + (f"   {failure.file}" if failure.file else ""))
        where = f"   {failure.file}" if failure.file and not failure.task else ""
        lines.append(f"  {failure.where}   {_indented(failure.what)}{where}")
    lines += _what_changed(stage)
    return "\n".join(lines)


def next_commands(app: App, view: RunView) -> str:
    """The commands a person will likely type now."""
    run = view.run
    name = app.spoken(run.key)
    failed = [s for s in view.stages if s.status in (Status.FAILED, Status.LOST)]
    lines = []
    if failed:
        host = next((f.where for f in failed[0].failures if f.where in failed[0].hosts), "")
        lines.append(
            f"orchestrator logs {name} {failed[0].stage}" + (f" --host {host}" if host else "")
        )
    if run.status in (RunStatus.FAILED, RunStatus.LOST, RunStatus.CANCELLED):
        lines.append(f"orchestrator retry {name}{_words(app, view)}")
        if failed and any(s in ("failed", "unreachable") for s in failed[0].hosts.values()):
            lines.append(f"orchestrator retry {name} --failed-hosts")
        lines += _with_new_files(app, run)
    lines.append(f"orchestrator status {name}")
    return "\n".join(f"{'next:' if i == 0 else '     '} {line}" for i, line in enumerate(lines))


def _words(app: App, view: RunView) -> str:
    """What a person has to say of lost stages."""
    found = settlements(app, view.run, as_run(view.run)[0], view.stages)
    return "".join(f" --lost {each.stage}=again|done" for each in found if each.way is Way.PERSON)


def up_command(app: App, pipeline: str, environment: str) -> str:
    """`orchestrator up dev`, with the pipeline where there are several."""
    which = f" --pipeline {pipeline}" if app.several_pipelines else ""
    return f"orchestrator up {environment}{which}"


def _with_new_files(app: App, run: Run) -> list[str]:
    """A retry runs what was frozen; who has mended a file must be told so."""
    environment = app.project.environments.get(run.key.environment)
    if run.action is not Action.APPLY or environment is None or environment.gate:
        return []
    command = up_command(app, run.key.pipeline, run.key.environment)
    return [f"{command}   # with files changed since; a retry takes them as they were"]


def _succeeded(view: RunView, name: str) -> None:
    run = view.run
    changed = [stage for stage in view.stages if stage.changes.any]
    took = duration((run.ended_at - run.started_at).total_seconds()) if run.ended_at else ""
    env = run.key.environment
    if run.select:
        env = f"what was selected of {env}"
    if run.action is Action.DESTROY:
        click.echo(f"{env} is destroyed: {name}, {took}")
        return
    if not changed:
        click.echo(f"{env} is up; nothing changed: {name}, {took}")
    else:
        told = ", ".join(f"{s.stage} {changes(s.kind.value, _counts(s)) or 'ran'}" for s in changed)
        click.echo(f"{env} is up: {name}, {took}; {told}")
    for label, url in view.urls:
        click.echo(f"{label}: {url}")
    for stage in view.stages:
        for note in stage.notes:
            click.echo(f"note: {stage.stage}: {clean(note)}", err=True)


def _counts(stage: StageRun) -> dict[str, Any]:
    counts = encode(stage.changes)
    assert isinstance(counts, dict)
    return counts


def _what_changed(stage: StageRun) -> list[str]:
    lines = []
    states = {
        "changed": [h for h, s in stage.hosts.items() if s == "changed"],
        "untouched": [h for h, s in stage.hosts.items() if s == "not_reached"],
    }
    for word, hosts in states.items():
        if hosts:
            shown = ", ".join(hosts[:10]) + (f" and {len(hosts) - 10} more" * (len(hosts) > 10))
            lines.append(f"  {word}: {shown}")
    if stage.kind.value == "pulumi" and stage.changes.any:
        lines.append(f"  changed already: {stage.changes}")
    return lines + [f"  note: {clean(note)}" for note in stage.notes]


def _not_run(view: RunView) -> str:
    blocked = [s for s in view.stages if s.status is Status.BLOCKED]
    if not blocked:
        return ""
    names = ", ".join(s.stage for s in blocked)
    return f"not run: {names}   ({clean(blocked[0].reason)}); nothing is rolled back\n"


def _took(stage: StageRun) -> str:
    if stage.started_at is None or stage.ended_at is None:
        return ""
    return duration((stage.ended_at - stage.started_at).total_seconds())


def _indented(text: str) -> str:
    lines = clean(text).strip().splitlines() or [""]
    return "\n      ".join(lines[:30])
