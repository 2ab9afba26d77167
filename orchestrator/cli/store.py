"""`store`: made once by a person, never by accident."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from orchestrator.cli.settings import Settings, pass_settings
from orchestrator.files.definitions import find_root, load_project
from orchestrator.model.errors import UsageError
from orchestrator.services.keys import drop_old as drop_old_keys
from orchestrator.services.keys import key_file, rotate
from orchestrator.services.living import refuse_living
from orchestrator.store.identity import LOCAL, shown
from orchestrator.store.opening import claim as claim_environment
from orchestrator.store.opening import init_store, join_store, open_store
from orchestrator.store.restoring import accept_restore
from orchestrator.store.upgrade import upgrade_store
from orchestrator.trust.vault import Keys
from orchestrator.wiring.app import actor


@click.group()
def store() -> None:
    """Make this project's store, or show it."""


@store.command()
@click.option("--claim", multiple=True, metavar="ENV", help="This gated environment runs here.")
@pass_settings
def init(settings: Settings, claim: tuple[str, ...]) -> None:
    """Make the project's store on this machine; an existing one is left as it is."""
    root = find_root(settings.directory)
    project = load_project(root)
    made = init_store(
        project.id,
        project.store,
        protected=project.protected,
        claim=claim,
        at=datetime.now(UTC),
        make_key=make_key,
        by=actor(),
    )
    if not made.fresh:
        for environment in claim:
            claim_environment(made, environment, by=actor(), at=datetime.now(UTC))
    word = "made" if made.fresh else "is there already"
    click.echo(f"store of {project.id} {word}: {made.folder}")


@store.command()
@click.option("--key", "key_file", required=True, type=click.Path(path_type=Path))
@pass_settings
def join(settings: Settings, key_file: Path) -> None:
    """Use a PostgreSQL store that another machine made, with a copy of its keys.json."""
    project = load_project(find_root(settings.directory))
    joined = join_store(project.id, project.store, key_file=key_file)
    click.echo(f"joined the store of {project.id}: {joined.folder}")


@store.command()
@pass_settings
def show(settings: Settings) -> None:
    """Where the store is and what it is."""
    project = load_project(find_root(settings.directory))
    opened = open_store(project.id, project.store)
    info = opened.info
    if opened.is_older():
        click.echo("The database is older than what this machine has seen of it.", err=True)
    click.echo(
        f"project    {info.project}\nstore      {info.id}\nfolder     {opened.folder}\n"
        f"database   {shown(project.store)}\nprotected  {info.protected or '-'}\n"
        f"revision   {info.revision}\nmade       {info.created_at:%Y-%m-%d %H:%M:%S} UTC"
    )


@store.command()
@pass_settings
def upgrade(settings: Settings) -> None:
    """Bring an older store's schema to this version's."""
    project = load_project(find_root(settings.directory))
    before, now = upgrade_store(project.id, project.store)
    click.echo(f"store of {project.id}: schema {before} -> {now}")


def make_key(path: Path) -> None:
    Keys.create(path)


@store.command("accept-restore")
@click.option("--why", default="", help="The reason, which is recorded.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pass_settings
def accept_restore_(settings: Settings, why: str, yes: bool) -> None:
    """Go on with a database that was put back from a backup.

    Runs under way in it are lost, its leases are free, and nothing is skipped before it ran again.
    """
    if not yes and not settings.ask:
        raise UsageError("nobody is there to ask: say --yes. Nothing was changed.")
    project = load_project(find_root(settings.directory))
    opened = open_store(project.id, project.store)
    if not yes:
        click.confirm("Go on with this older database?", abort=True, err=True)
    refuse_living(opened.folder)
    lost = accept_restore(opened, why=why, by=actor(), at=datetime.now(UTC))
    click.echo(
        f"The database counts from now on; {lost} runs that were under way in it are lost. What "
        "was made since the backup is in no state: look at the plan of orchestrator up ENV first."
    )


@store.command("rotate-keys")
@click.option("--drop-old", is_flag=True, help="Remove the older keys, which nothing needs then.")
@pass_settings
def rotate_keys(settings: Settings, drop_old: bool) -> None:
    """Seal every secret of the store with a new key. The older key stays until it is dropped."""
    project = load_project(find_root(settings.directory))
    opened = open_store(project.id, project.store)
    path, now = key_file(opened), datetime.now(UTC)
    if drop_old:
        count = drop_old_keys(opened, by=actor(), at=now)
        click.echo(f"the older keys are gone from {path}; {count} values had one of them.")
    else:
        count = rotate(opened, by=actor(), at=now)
        click.echo(
            f"{count} values are sealed with a new key. When nothing of this store runs any more, "
            "remove the older one: orchestrator store rotate-keys --drop-old"
        )
    if project.store != LOCAL:
        click.echo(f"Now copy {path} into the store's folder on every machine that joined it.")
