"""`stack import-from` and `export-to`: an environment's stacks lie elsewhere from now on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from orchestrator.cli.change import pipeline_of, pipeline_option
from orchestrator.cli.settings import Settings, pass_settings
from orchestrator.model.errors import UsageError
from orchestrator.services.backends import BUILTIN
from orchestrator.services.leases import places
from orchestrator.services.moves import Moved, moved_in, moved_out, stack_names
from orchestrator.wiring.app import opened_app
from orchestrator.wiring.moves import (
    StoreKeys,
    foreign_backend,
    passphrase_of,
    project_name,
    url_of,
)

_file = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path),
    help="Of the stacks there. Else PULUMI_CONFIG_PASSPHRASE, else ours (stack passphrase).",
)
_yes = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


@click.command("import-from")
@click.argument("url")
@click.argument("environment")
@_yes
@_file
@click.option("--replace", is_flag=True, help="The store's own states become earlier versions.")
@pipeline_option
@pass_settings
def import_from(
    settings: Settings,
    url: str,
    environment: str,
    yes: bool,
    passphrase_file: Path | None,
    replace: bool,
    pipeline: str,
) -> None:
    """Take the stacks of ENVIRONMENT from a Pulumi backend into the store, secrets under our key.

    What lies at URL stays as it is, and counts no more.
    """
    act = partial(moved_in, replace=replace)
    _move(settings, act, url, environment, yes, passphrase_file, pipeline, out=False)


@click.command("export-to")
@click.argument("url")
@click.argument("environment")
@_yes
@_file
@click.option("--replace", is_flag=True, help="Overwrite another state that is there.")
@pipeline_option
@pass_settings
def export_to(
    settings: Settings,
    url: str,
    environment: str,
    yes: bool,
    passphrase_file: Path | None,
    replace: bool,
    pipeline: str,
) -> None:
    """Move the stacks of ENVIRONMENT from the store to a Pulumi backend.

    Their secrets are encrypted with a passphrase there. The versions so far stay in the store.
    """
    act = partial(moved_out, replace=replace)
    _move(settings, act, url, environment, yes, passphrase_file, pipeline, out=True)


@click.command()
@pass_settings
def passphrase(settings: Settings) -> None:
    """Show the passphrase of the stacks that we write elsewhere. It is a secret."""
    with opened_app(settings.directory, of_runs=True) as app:
        click.echo(passphrase_of(app, None))


def _move(
    settings: Settings,
    act: Callable[..., tuple[Moved, ...]],
    url: str,
    environment: str,
    yes: bool,
    passphrase_file: Path | None,
    pipeline: str,
    *,
    out: bool,
) -> None:
    if not yes and not settings.ask:
        raise UsageError("nobody is there to ask: say --yes. Nothing was changed.")
    with opened_app(settings.directory) as app:
        (where,) = places(app, environment, pipeline_of(app, pipeline))
        names = stack_names(app, where, project_name(app))
        if not yes:
            shown = ", ".join(str(name) for _, name in names)
            click.confirm(f"Move {shown} of {environment}?", abort=True, err=True)
        there = url_of(app, url)
        with foreign_backend(app, there, passphrase_file, make=out) as foreign:
            moved = act(app, where, names, there, foreign, StoreKeys(app.vault))
    for each in moved:
        what = f"{each.resources} resources" if each.was_there else "has no state there"
        click.echo(f"{each.name} ({each.stage}): {what}")
    state = there if out else BUILTIN
    click.echo(f"{environment} keeps its stacks in '{state}' now; say so: state: {state}")
