"""Where do an environment's stacks live? As recorded; a changed `state:` is refused."""

from __future__ import annotations

from orchestrator.model.definitions import Environment
from orchestrator.model.errors import Refused
from orchestrator.services.app import App
from orchestrator.services.machine import LOCAL, machine_of

BUILTIN = "builtin"  # in the store's database
IN_STORE = "store"  # Pulumi's file backend in the store's folder: what older versions began with


def check_backend(app: App, pipeline: str, environment: Environment) -> None:
    """Raises Refused where following `state:` would leave the stacks that are there behind."""
    asked = environment.state.backend if environment.state else ""
    where = environment.positions.get("state", environment.position)
    if environment.state is not None and environment.state.mirror and asked != BUILTIN:
        raise Refused(
            f"only states in the store are mirrored, and those of {environment.name} lie in "
            f"'{asked}' ({where}).",
            holds="Nothing was started.",
            next="Leave `mirror:` out, or say `backend: builtin`.",
        )
    with app.store.read() as tx:
        recorded = tx.backend(pipeline, environment.name)
    check_place(app, environment, recorded)
    if recorded is not None and asked and asked != recorded:
        raise Refused(
            f"{environment.name} keeps its stacks in '{recorded}', but its `state:` now says "
            f"'{asked}' ({where}).",
            holds="Nothing was started; the stacks are where they were.",
            next=_how_to_move(environment.name, recorded, asked),
        )


def _how_to_move(name: str, recorded: str, asked: str) -> str:
    back = "Put `state:` back, or move the stacks: orchestrator stack "
    if recorded == BUILTIN:
        return f"{back}export-to {asked} {name}"
    if asked == BUILTIN:
        return f"{back}import-from {recorded.partition('@')[0]} {name}"
    return f"{back}import-from {recorded} {name}, then stack export-to {asked} {name}"


def check_place(app: App, environment: Environment, recorded: str | None) -> None:
    """Raises Refused where the stacks lie in another machine's folder: all would be made twice."""
    if recorded and recorded.startswith(f"{IN_STORE}@") and recorded != _in_store(app):
        raise Refused(
            f"the stacks of {environment.name} lie on machine {recorded.partition('@')[2]}, "
            "and this is another one.",
            holds="Nothing was started.",
            next="Run it there; or give environments that several machines run a `state:` that "
            "all of them reach, from the beginning.",
        )


def backend_to_record(environment: Environment) -> str:
    """What a first run records."""
    return environment.state.backend if environment.state else BUILTIN


def backend_url(app: App, pipeline: str, environment: Environment) -> str:
    """The Pulumi backend URL, or "builtin": as recorded, else as `state:` says, else builtin."""
    with app.store.read() as tx:
        recorded = tx.backend(pipeline, environment.name)
    backend = recorded or backend_to_record(environment)
    here = backend.partition("@")[0] == IN_STORE
    return f"file://{app.folder('stacks', 'state')}" if here else backend


def _in_store(app: App) -> str:
    """The store's folder; of a store that several machines share, this one's."""
    if app.project.store == LOCAL:
        return IN_STORE
    return f"{IN_STORE}@{machine_of(app)}"
