"""`release`: the snapshots that were made, and what one holds."""

from __future__ import annotations

import json

import click

from orchestrator.cli.settings import Settings, pass_settings
from orchestrator.cli.tables import table
from orchestrator.wiring.app import opened_app


@click.group()
def release() -> None:
    """The releases that were made."""


@release.command("list")
@click.option("--limit", default=20, show_default=True)
@pass_settings
def list_(settings: Settings, limit: int) -> None:
    """Releases, newest first."""
    with opened_app(settings.directory) as app, app.store.read() as tx:
        found = [tx.release(digest) for digest, _, _ in tx.releases(limit=limit)]
    if settings.json:
        for digest, name, at, body in found:
            shown = {"digest": digest, "name": name, "at": at.isoformat(), **body}
            click.echo(json.dumps({"v": 1, "type": "release", **shown}))
        return
    if not found:
        click.echo("No releases. `orchestrator up ENV` makes the first one.")
        return
    rows = [
        (
            name,
            digest[:12],
            str(body.get("commit") or "-")[:10],
            f"dirty: {body.get('why_dirty')}" if body.get("dirty") else "clean",
            at.strftime("%Y-%m-%d %H:%M:%S"),
        )
        for digest, name, at, body in found
    ]
    click.echo(table(("RELEASE", "DIGEST", "COMMIT", "TREE", "MADE (UTC)"), rows))


@release.command()
@click.argument("name")
@click.option("--files", is_flag=True, help="Every file with its digest.")
@pass_settings
def show(settings: Settings, name: str, files: bool) -> None:
    """One release: commit, versions, artifacts, files."""
    with opened_app(settings.directory) as app, app.store.read() as tx:
        digest, spoken, at, body = tx.release(name)
    if settings.json:
        shown = {"digest": digest, "name": spoken, "at": at.isoformat(), **body}
        click.echo(json.dumps({"v": 1, "type": "release", **shown}))
        return
    listed, versions, artifacts = (body.get(k) for k in ("files", "versions", "artifacts"))
    assert isinstance(listed, dict)
    assert isinstance(versions, dict)
    assert isinstance(artifacts, dict)
    tree = f"dirty: {body.get('why_dirty')}" if body.get("dirty") else "clean"
    click.echo(f"{spoken}\ndigest    {digest}\ncommit    {body.get('commit') or '-'} ({tree})")
    click.echo(f"made      {at:%Y-%m-%d %H:%M:%S} UTC\nfiles     {len(listed)}")
    for what, entries in (("version", versions), ("artifact", artifacts)):
        for key, value in entries.items():
            text = value if isinstance(value, str) else json.dumps(value)
            click.echo(f"{what:<9} {key} {text}")
    if files:
        for path, entry in listed.items():
            click.echo(f"  {json.dumps(entry)}  {path}")
