"""`logs`: what a run's stages told, whole, filtered, or as it comes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import click

from orchestrator.cli.lines import as_json, told_line
from orchestrator.cli.settings import Settings, pass_settings
from orchestrator.model.errors import NotFound
from orchestrator.model.events import Recorded
from orchestrator.services.app import App
from orchestrator.services.views import recorded_pages, run_view
from orchestrator.wiring.app import opened_app


@click.command()
@click.argument("run")
@click.argument("stage", required=False, default="")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run ends.")
@click.option("--host", default="", help="Only this Ansible host.")
@click.option("--failed", is_flag=True, help="Only what failed.")
@pass_settings
def logs(settings: Settings, run: str, stage: str, follow: bool, host: str, failed: bool) -> None:
    """What RUN's stages told, or one STAGE of it."""
    with opened_app(settings.directory, of_runs=True) as app:
        view = run_view(app, app.key(run))
        names = [s.stage for s in view.stages]
        if stage and stage not in names:
            raise NotFound(f"{run} has no stage '{stage}'.", next=f"Stages: {', '.join(names)}")
        count = 0
        for row in _rows(app, run, stage, host, failed, follow):
            count += _show(settings, row, alone=bool(stage))
        if not count and not settings.json:
            filters = " ".join(
                word for word in (stage, f"--host {host}" * bool(host), "--failed" * failed) if word
            )
            click.echo(f"{run} told nothing{f' for {filters}' if filters else ''}.", err=True)


def _rows(
    app: App, run: str, stage: str, host: str, failed: bool, follow: bool
) -> Iterator[Recorded]:
    key, after = app.key(run), 0
    while True:
        ended = run_view(app, key).run.status.ended  # before the look, so that nothing is missed
        for page in recorded_pages(app, key, stage=stage, host=host, failed=failed, after=after):
            after = page[-1].id
            yield from page
        if not follow or ended:
            return
        time.sleep(0.3)


def _show(settings: Settings, row: Recorded, *, alone: bool) -> int:
    if settings.json:
        click.echo(json.dumps(as_json(row), separators=(",", ":")))
        return 1
    text = told_line(row)
    if not text:
        return 0
    prefix = f"{row.at:%H:%M:%S} " if alone else f"{row.at:%H:%M:%S} {row.stage:<12} "
    for line in text.splitlines():
        click.echo(prefix + line)
    return 1
