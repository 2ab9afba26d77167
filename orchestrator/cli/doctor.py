"""`doctor`: what this machine needs, has and lacks, and the mending of it."""

from __future__ import annotations

import json
import os

import click

from orchestrator.cli.settings import Settings, pass_settings
from orchestrator.services.diagnosis import project_rows
from orchestrator.setup.doctor import examine
from orchestrator.setup.doctor import fix as mend
from orchestrator.setup.light_hosts import uses_light_hosts
from orchestrator.setup.rows import Options
from orchestrator.setup.table import table


@click.command()
@click.option("--fix", is_flag=True, help="Do what can be done, and say the rest.")
@pass_settings
def doctor(settings: Settings, fix: bool) -> None:
    """What does this machine need, have and lack?"""
    options = Options(light_hosts=uses_light_hosts(settings.directory))
    rows = examine(options)
    if fix and any(row.can_fix for row in rows):
        rows = mend(rows, lambda line: click.echo(line, err=True), options)
    rows += project_rows(settings.directory, os.environ)
    if settings.json:
        for row in rows:
            shown = {"name": row.name, "needed": row.needed, "found": row.found, "fix": row.fix}
            click.echo(json.dumps({"v": 1, "type": "doctor", "state": row.state.value, **shown}))
    else:
        click.echo(table(rows))
    raise click.exceptions.Exit(1 if any(row.blocks for row in rows) else 0)
