"""`init`: makes the folder a project, taking in what is there."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from orchestrator.cli.settings import Settings, pass_settings
from orchestrator.cli.store import make_key
from orchestrator.files.definitions import load_project
from orchestrator.files.starting import starting_files
from orchestrator.model.errors import Refused
from orchestrator.store.opening import init_store
from orchestrator.wiring.app import actor


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--name", default="", help="The project's name; default: the folder's.")
@pass_settings
def init(settings: Settings, folder: Path | None, name: str) -> None:
    """Make FOLDER (default: here) a project: files, an id, a store.

    Pulumi projects and playbooks that are there become stages, unchanged.
    """
    root = settings.directory / (folder or Path())
    if (root / "orchestrator.yaml").exists():
        raise Refused(
            f"{root / 'orchestrator.yaml'} exists: this is a project already.",
            holds="Nothing was changed.",
            next="orchestrator validate",
        )
    root.mkdir(parents=True, exist_ok=True)
    for path, text in starting_files(root, name=name).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
        click.echo(f"wrote {path}")
    project = load_project(root)
    store = init_store(
        project.id,
        project.store,
        at=datetime.now(UTC),
        make_key=make_key,
        by=actor(),
    )
    click.echo(f"store of {project.id}: {store.folder}")
    click.echo("next: orchestrator validate\n      orchestrator up dev")
