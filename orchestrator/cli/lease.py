"""`hold` and `lease`: who may change an environment, and who keeps everybody out?"""

from __future__ import annotations

import json
from datetime import timedelta

import click

from orchestrator.cli.durations import DURATION
from orchestrator.cli.settings import Settings, pass_settings
from orchestrator.cli.tables import table
from orchestrator.cli.words import clean
from orchestrator.model.codec import encode
from orchestrator.model.errors import UsageError
from orchestrator.services.holding import Standing, person
from orchestrator.services.leases import (
    LeaseView,
    broken,
    give_back,
    lease_views,
    places,
)
from orchestrator.services.leases import hold as held
from orchestrator.wiring.app import opened_app

_PIPELINE = click.option("--pipeline", default="", help="Only of this pipeline.")
_WORDS = {
    Standing.ALIVE: "at work",
    Standing.GONE: "its process is gone",
    Standing.ELSEWHERE: "on another machine",
    Standing.OVER: "its time is over",
    Standing.HELD: "held",
    None: "free",
}


@click.command()
@click.argument("environment", required=False, default="")
@click.option("--why", default="", help="The reason, which everybody who is refused is told.")
@click.option("--for", "lasts", type=DURATION, default=None, help="Until then: 2h. Else for good.")
@click.option("--release", "ends", is_flag=True, help="End your hold.")
@click.option("--all", "all_", is_flag=True, help="Every environment.")
@_PIPELINE
@pass_settings
def hold(
    settings: Settings,
    environment: str,
    why: str,
    lasts: timedelta | None,
    ends: bool,
    all_: bool,
    pipeline: str,
) -> None:
    """Keep automation and everybody else out of ENVIRONMENT while you work in it.

    Your own acts go on under it with --held.
    """
    if bool(environment) == all_:
        raise UsageError("say which environment, or --all. Nothing was changed.")
    if ends and (why or lasts):
        raise UsageError("--release takes neither --why nor --for. Nothing was changed.")
    with opened_app(settings.directory) as app:
        where = places(app, environment, pipeline)
        leases = give_back(app, where) if ends else held(app, where, why=why, lasts=lasts)
    for lease in leases:
        if settings.json:
            click.echo(json.dumps({"v": 1, "type": "hold", "ended": ends, **_fields(lease)}))
        elif ends:
            click.echo(f"{lease.environment} is free again")
        else:
            until = f"until {lease.until:%Y-%m-%d %H:%M:%S} UTC" if lease.until else "for good"
            click.echo(
                f"{lease.environment} is yours {until}; go on under it with --held, "
                f"end it: orchestrator hold {lease.environment} --release"
            )


@click.group()
def lease() -> None:
    """Who may change what, and until when."""


@lease.command()
@click.argument("environment", required=False, default="")
@_PIPELINE
@pass_settings
def show(settings: Settings, environment: str, pipeline: str) -> None:
    """Who has ENVIRONMENT (default: all), what that covers, and who waits."""
    with opened_app(settings.directory, of_runs=True) as app:
        views = lease_views(app, places(app, environment, pipeline))
        several = app.several_pipelines
    if settings.json:
        for view in views:
            click.echo(json.dumps({"v": 1, "type": "lease", **_json(view)}))
        return
    rows = [_row(view, several) for view in views]
    click.echo(table(("ENV", "FOR", "BY", "SINCE (UTC)", "UNTIL (UTC)", "TOKEN", "STATE"), rows))
    for view in views:
        name = _name(view, several)
        for covered in view.covers:
            click.echo(
                f"  {name} covers {clean(covered.thing.partition(' ')[0])} {clean(covered.label)}"
            )
        for ticket in view.waiting:
            click.echo(
                f"  {name} is waited for by {clean(ticket.owner)} ({clean(ticket.purpose)}), "
                f"until {ticket.deadline:%Y-%m-%d %H:%M:%S} UTC or drop"
            )


@lease.command("break")
@click.argument("environment")
@click.option("--why", default="", help="The reason, which is recorded.")
@click.option("--living", is_flag=True, help="Also where its holder lives, or may.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@_PIPELINE
@pass_settings
def break_(
    settings: Settings, environment: str, why: str, living: bool, yes: bool, pipeline: str
) -> None:
    """Take ENVIRONMENT from whoever has it: what that one still writes is refused."""
    if not yes and not settings.ask:
        raise UsageError("nobody is there to ask: say --yes. Nothing was changed.")
    with opened_app(settings.directory, of_runs=True) as app:
        where = places(app, environment, pipeline)
        if len(where) != 1:
            names = ", ".join(name for name, _ in where)
            raise UsageError(f"several pipelines have {environment}: --pipeline NAME ({names})")
        (view,) = lease_views(app, where)
        if view.lease is not None and not yes:
            by = f"{view.lease.purpose}, by {view.lease.owner}"
            click.confirm(f"Break the lease of {environment} ({by})?", abort=True, err=True)
        lease = broken(app, where[0], why=why, living=living)
    click.echo(
        f"{environment} is free; {lease.owner} ({clean(lease.purpose)}) writes nothing more. "
        f"Token {lease.token} is used up."
    )


def _row(view: LeaseView, several: bool) -> tuple[str, ...]:
    lease, state = view.lease, _WORDS[view.standing]
    if lease is None:
        return (_name(view, several), "", "", "", "", "", state)
    until = f"{lease.until:%Y-%m-%d %H:%M:%S}" if lease.until else "-"
    beneath = f"; beneath: hold of {person(lease.beneath.owner)}" if lease.beneath else ""
    return (
        _name(view, several),
        clean(lease.purpose),
        clean(lease.owner),
        f"{lease.taken_at:%Y-%m-%d %H:%M:%S}",
        until,
        str(lease.token),
        state + beneath,
    )


def _name(view: LeaseView, several: bool) -> str:
    return f"{view.pipeline}/{view.environment}" if several else view.environment


def _json(view: LeaseView) -> dict[str, object]:
    return {
        "pipeline": view.pipeline,
        "environment": view.environment,
        "standing": view.standing.value if view.standing else "free",
        "lease": _fields(view.lease) if view.lease else None,
        "covers": [{"thing": each.thing, "label": each.label} for each in view.covers],
        "waiting": [encode(ticket) for ticket in view.waiting],
    }


def _fields(lease: object) -> dict[str, object]:
    body = encode(lease)
    assert isinstance(body, dict)
    return dict(body)
