"""How do an environment's stacks move between the store and another backend?

All of an environment's stacks move together, under its lease: every state is read and checked
before the first is written, and where they lie from then on is recorded with the last one. A move
that was killed is simply done again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

from orchestrator.model.definitions import PulumiSpec
from orchestrator.model.errors import OrchestratorError, Refused, ToolError
from orchestrator.model.runs import LEASE_LASTS
from orchestrator.model.stacks import Deployment, StackName, StackUpdate, Writer
from orchestrator.ports import Transaction
from orchestrator.services.acting import held_for
from orchestrator.services.app import App
from orchestrator.services.backends import BUILTIN
from orchestrator.services.leases import Where
from orchestrator.services.stacks import not_skipped, ungated
from orchestrator.services.sweeping import end_leftovers


class Foreign(Protocol):
    """A backend elsewhere."""

    def fetched(self, name: StackName) -> Mapping[str, Any] | None: ...
    def sent(
        self, name: StackName, body: Mapping[str, Any], decrypt: Any, *, exists: bool
    ) -> None: ...


class Keys(Protocol):
    """The keys of the store's own stacks."""

    def fresh(self) -> str: ...  # sealed
    def taken_in(self, body: Mapping[str, Any], sealed: str) -> Deployment: ...
    def in_clear(self, body: Mapping[str, Any], sealed: str) -> Mapping[str, Any]: ...
    def decrypt(self, sealed: str) -> Callable[[str], str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One stack of a move."""

    stage: str
    name: StackName
    resources: int
    was_there: bool = True  # False: there was nothing to move


def stack_names(
    app: App, where: Where, project_name: Callable[[str], str]
) -> tuple[tuple[str, StackName], ...]:
    """(stage, stack) of the pipeline as its files say now. project_name: of a stack's folder."""
    stages = app.project.pipelines[where[0]].stages.values()
    return tuple(
        (stage.name, StackName(project_name(stage.spec.project), str(stage.spec.stack or where[1])))
        for stage in stages
        if isinstance(stage.spec, PulumiSpec)
    )


def moved_in(
    app: App,
    where: Where,
    names: tuple[tuple[str, StackName], ...],
    url: str,
    foreign: Foreign,
    keys: Keys,
    *,
    replace: bool = False,
) -> tuple[Moved, ...]:
    """From the backend into the store, all or none. Raises Refused, Locked, ToolError.

    replace: states that are here already become earlier versions; else they are not touched.
    """
    ungated(app, where[1])
    _may_move(app, where, names, replace)
    with held_for(app, *where, purpose=f"stack import-from {url}") as lease:
        end_leftovers(app, *where)
        bodies = [(stage, name, foreign.fetched(name)) for stage, name in names]
        if not any(_resources(body) for _, _, body in bodies):
            looked = ", ".join(str(name) for _, name in names) or "no Pulumi stage"
            raise Refused(
                f"there is no state to take in: {url} has none of {looked}.",
                holds="Nothing was changed.",
            )
        with app.store.write() as tx:
            if not replace:
                _still_empty(tx, names)
            by = Writer(pipeline=where[0], environment=where[1], token=lease.token, run="")
            moved = [_put(app, tx, by, each, keys) for each in bodies]
            tx.record_backend(*where, BUILTIN)
            not_skipped(tx, where, tuple(stage for stage, _ in names))
            _tell(app, tx, where, "stack.moved_in", url, moved)
    return tuple(moved)


def moved_out(
    app: App,
    where: Where,
    names: tuple[tuple[str, StackName], ...],
    url: str,
    foreign: Foreign,
    keys: Keys,
    *,
    replace: bool = False,
) -> tuple[Moved, ...]:
    """Out of the store, to the backend. Raises Refused, Locked; ToolError saying how far it came.

    replace: another state that is there is overwritten; an equal one is left as it is anyhow.
    Stacks with unfinished operations are refused: the CLI forgets those of a state it imports.
    """
    ungated(app, where[1])
    with held_for(app, *where, purpose=f"stack export-to {url}") as lease:
        end_leftovers(app, *where)
        states = _states_of(app, where, names)
        there = {name: foreign.fetched(name) for _, name, _, _ in states}
        equal = {
            name: _is_equal(there[name], keys.in_clear(body, sealed))
            for _, name, body, sealed in states
        }
        if not replace:
            _not_overwritten(
                url, [name for name in there if _resources(there[name]) and not equal[name]]
            )
        sent: list[Moved] = []
        for stage, name, body, sealed in states:
            try:
                if not equal[name]:
                    exists = there[name] is not None
                    foreign.sent(name, body, keys.decrypt(sealed), exists=exists)
            except OrchestratorError as error:
                raise _halfway(error, sent, url) from error
            sent.append(Moved(stage=stage, name=name, resources=_resources(body)))
        by = Writer(pipeline=where[0], environment=where[1], token=lease.token, run="")
        now = app.clock.now()
        with app.store.write() as tx:
            for _, name, _, _ in states:
                tx.remove_stack(name, by, now)
            tx.record_backend(*where, url)
            _tell(app, tx, where, "stack.moved_out", url, sent)
    return tuple(sent)


def _may_move(
    app: App, where: Where, names: tuple[tuple[str, StackName], ...], replace: bool
) -> None:
    if not names:
        raise Refused(f"pipeline {where[0]} has no Pulumi stage, so there is nothing to move.")
    if not replace:
        with app.store.read() as tx:
            _still_empty(tx, names)


def _still_empty(tx: Transaction, names: tuple[tuple[str, StackName], ...]) -> None:
    full = [str(name) for _, name in names if (stack := tx.stack(name)) and stack.resources]
    if full:
        raise Refused(
            f"the store has a state of {', '.join(full)} already, which is not overwritten.",
            holds="Nothing was changed.",
            next="To make it an earlier version: --replace. See it: orchestrator stack history",
        )


def _put(
    app: App,
    tx: Transaction,
    by: Writer,
    each: tuple[str, StackName, Mapping[str, Any] | None],
    keys: Keys,
) -> Moved:
    stage, name, body = each
    if body is None or not _resources(body):
        return Moved(stage=stage, name=name, resources=0, was_there=False)
    now = app.clock.now()
    stack = tx.stack(name) or tx.make_stack(
        name, by, key=tx.stack_key(name) or keys.fresh(), tags={}, at=now
    )
    deployment = keys.taken_in(body, stack.key)
    update = StackUpdate(id=str(uuid4()), kind="import", by=by, since=now, until=now + LEASE_LASTS)
    tx.begin_update(name, update, base=None)
    tx.save_deployment(name, update, deployment)
    tx.end_update(name, update, result="succeeded", at=now)
    return Moved(stage=stage, name=name, resources=deployment.resources)


def _states_of(
    app: App, where: Where, names: tuple[tuple[str, StackName], ...]
) -> list[tuple[str, StackName, Mapping[str, Any], str]]:
    found: list[tuple[str, StackName, Mapping[str, Any], str]] = []
    with app.store.read() as tx:
        mine = {s.name for s in tx.stacks() if (s.pipeline, s.environment) == where}
        unnamed = sorted(str(name) for name in mine - {name for _, name in names})
        if unnamed:
            raise Refused(
                f"no stage of the pipeline names the stack {', '.join(unnamed)}, which is here.",
                holds="Nothing was changed.",
                next="See: orchestrator stack list",
            )
        for stage, name in names:
            stack, content = tx.stack(name), tx.deployment(name)
            if stack is None or content is None:
                continue
            if stack.pending:
                raise Refused(
                    f"{stack.pending} operations of the stack {name} have not ended; elsewhere "
                    "they would be forgotten.",
                    holds="Nothing was changed.",
                    next=f"Let them be settled first: orchestrator up {where[1]}",
                )
            found.append((stage, name, json.loads(content), stack.key))
    if not found:
        raise Refused(f"{where[1]} has no stack in the store.", holds="Nothing was changed.")
    return found


def _not_overwritten(url: str, other: list[StackName]) -> None:
    if other:
        raise Refused(
            f"{url} has another state of {', '.join(map(str, other))} already, which is not "
            "overwritten.",
            holds="Nothing was changed.",
            next="To overwrite it, where nobody needs it any more: --replace",
        )


def _halfway(error: OrchestratorError, sent: list[Moved], url: str) -> OrchestratorError:
    names = ", ".join(str(each.name) for each in sent) or "none"
    return ToolError(
        error.what,
        holds=f"The states stay in the store, which is where they count; copied so far: {names}.",
        next=f"Do it again once {url} answers.",
    )


def _resources(body: Mapping[str, Any] | None) -> int:
    return len(((body or {}).get("deployment") or {}).get("resources") or ())


def _is_equal(there: Mapping[str, Any] | None, clear: Mapping[str, Any]) -> bool:
    """In every property and secret: a copy that is older than ours has the same URNs."""
    body = (there or {}).get("deployment") or {}
    return bool(body) and all((body.get(key) or []) == clear[key] for key in clear)


def _tell(app: App, tx: Transaction, where: Where, verb: str, url: str, moved: list[Moved]) -> None:
    tx.audit(
        actor=app.actor,
        verb=verb,
        subject=f"{where[0]}/{where[1]}",
        at=app.clock.now(),
        body={"url": url, "stacks": {str(each.name): each.resources for each in moved}},
    )
