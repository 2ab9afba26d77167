"""Where do an environment's stacks live? As recorded; a changed `state:` is refused."""

from __future__ import annotations

from orchestrator.model.definitions import Environment
from orchestrator.model.errors import Refused
from orchestrator.services.app import App

IN_STORE = "store"  # Pulumi's file backend in the store's folder


def check_backend(app: App, pipeline: str, environment: Environment) -> None:
    """Raises Refused where following `state:` would leave the stacks that are there behind."""
    asked = environment.state.backend if environment.state else ""
    where = environment.positions.get("state", environment.position)
    if asked == "builtin":
        raise Refused(
            f"`state: builtin` of {environment.name} ({where}) is not part of this version.",
            holds="Nothing was started.",
            next="Leave `state:` out: stacks then live in the store; or name a Pulumi backend URL.",
        )
    with app.store.read() as tx:
        recorded = tx.backend(pipeline, environment.name)
    if recorded is not None and asked and asked != recorded:
        raise Refused(
            f"{environment.name} keeps its stacks in '{recorded}', but its `state:` now says "
            f"'{asked}' ({where}).",
            holds="Nothing was started; the stacks are where they were.",
            next="Put `state:` back, or move the stacks first.",
        )


def backend_to_record(environment: Environment) -> str:
    """What a first run records."""
    return environment.state.backend if environment.state else IN_STORE


def backend_url(app: App, pipeline: str, environment: Environment) -> str:
    """The Pulumi backend URL: as recorded, else as `state:` says, else the store's own folder."""
    with app.store.read() as tx:
        recorded = tx.backend(pipeline, environment.name) or backend_to_record(environment)
    return f"file://{app.folder('stacks', 'state')}" if recorded == IN_STORE else recorded
