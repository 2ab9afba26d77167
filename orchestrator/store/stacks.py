"""In what state is each stack, who may write it, and which states are kept?

Each update is a version, which it writes as often as it likes (contents.py). Every write asks
first, in its own transaction, whether its lease is still the current one: whoever lost it writes
nothing any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select
from sqlalchemy import update as update_rows

from orchestrator.core.journal import folded
from orchestrator.model.errors import Fenced, Locked, NotFound, Refused
from orchestrator.model.stacks import (
    Deployment,
    Stack,
    StackName,
    StackUpdate,
    StackVersion,
    Writer,
)
from orchestrator.store import records
from orchestrator.store.contents import VERSIONS, Contents
from orchestrator.store.leases import LEASES
from orchestrator.store.pruning import no_longer_kept
from orchestrator.store.schema import table
from orchestrator.store.stack_rows import body_of, stack_of, version_of

STACKS = table(records.StackRecord)


class Stacks(Contents):
    def stack(self, name: StackName) -> Stack | None:
        """With the counts of an update under way as they are now."""
        row = self._stack_row(name)
        return None if row is None or row.removed_at else self._counted(stack_of(row))

    def stacks(self) -> tuple[Stack, ...]:
        mine = (STACKS.c.project == self._project, STACKS.c.removed_at.is_(None))
        found = self._joined().where(*mine).order_by(STACKS.c.program, STACKS.c.stack)
        return tuple(self._counted(stack_of(row)) for row in self._rows(found))

    def stack_key(self, name: StackName) -> str:
        """A removed stack's as well: it opens the versions that are kept."""
        return str(self._scalar(select(STACKS.c.key).where(*self._named(STACKS, name))) or "")

    def stack_versions(self, name: StackName, *, limit: int = 1000) -> tuple[StackVersion, ...]:
        found = select(VERSIONS).where(*self._named(VERSIONS, name))
        rows = self._rows(found.order_by(VERSIONS.c.version.desc()).limit(limit))
        return tuple(version_of(row) for row in rows)

    def make_stack(
        self, name: StackName, by: Writer, *, key: str, tags: Mapping[str, str], at: datetime
    ) -> Stack:
        """Raises Refused where the stack is there, or was another environment's."""
        self._check_lease(by, name)
        row = self._stack_row(name)
        if row is not None and not row.removed_at:
            raise Refused(f"The stack {name} already exists.")
        values = {
            "project": self._project,
            "program": name.project,
            "stack": name.name,
            "pipeline": by.pipeline,
            "environment": by.environment,
            "version": row.version if row is not None else 0,
            "key": row.key if row is not None else key,  # it opens the versions that are kept
            "tags": dict(tags),
            "active": None,
            "changed_at": at,
            "removed_at": None,
        }
        self._put(STACKS, values)
        return self._stack(name)

    def tag_stack(self, name: StackName, by: Writer, tags: Mapping[str, str]) -> None:
        self._own(name, by)
        self._set(name, tags=dict(tags))

    def remove_stack(self, name: StackName, by: Writer, at: datetime) -> None:
        """Its versions stay, and none of them is its state any more. Raises Locked as begin."""
        stack = self._own(name, by)
        self._end_superseded(stack, by, at)
        version = stack.version + 1
        self._add_version(name, version, kind="remove", result="succeeded", by=by, at=at)
        self._set(name, active=None, version=version, changed_at=at, removed_at=at)
        self._prune(name)

    def rename_stack(self, name: StackName, by: Writer, new: StackName, at: datetime) -> None:
        """With all its versions; its URNs are the caller's to change. Raises Locked as begin."""
        stack = self._own(name, by)
        if self._stack_row(new) is not None:
            raise Refused(f"The stack {new} already exists.", holds="Nothing was changed.")
        self._end_superseded(stack, by, at)
        names = {"program": new.project, "stack": new.name}
        for of in (STACKS, VERSIONS):
            self._change(update_rows(of).where(*self._named(of, name)), names)
        self._set(new, active=None)

    def check_free(self, name: StackName, by: Writer, at: datetime) -> None:
        """Raises Fenced, NotFound, Refused, Locked: that an update would be refused now."""
        stack = self._own(name, by)
        if stack.update is not None:
            _check_superseded(stack, stack.update, by, at)

    def begin_update(self, name: StackName, update: StackUpdate, *, base: int | None) -> int:
        """Raises Fenced, NotFound, Locked, Refused: then nothing was written."""
        stack = self._own(name, update.by)
        if base is not None and stack.version != base:
            raise Refused(
                f"The stack {name} is at version {stack.version}, and this update was made for "
                f"version {base}: somebody changed it since.",
                holds="Nothing was changed.",
                next="Plan again.",
            )
        self._end_superseded(stack, update.by, update.since)
        version = stack.version + 1
        last = self._last_version(name)
        self._add_version(
            name,
            version,
            kind=update.kind,
            result="in-progress",
            by=update.by,
            at=update.since,
            digest=last.digest if last else "",
            resources=last.resources if last else 0,
            pending=last.pending if last else 0,
        )
        self._set(name, active=body_of(update), version=version, changed_at=update.since)
        return version

    def renew_update(self, name: StackName, update: StackUpdate) -> None:
        self._current(name, update)
        self._set(name, active=body_of(update))

    def save_deployment(self, name: StackName, update: StackUpdate, deployment: Deployment) -> None:
        """Replaces what this update saved before."""
        stack = self._current(name, update)
        self._keep(name, stack.version, deployment)

    def add_entries(self, name: StackName, update: StackUpdate, first: int, batch: bytes) -> None:
        stack = self._current(name, update)
        self._add_entries(name, stack.version, first, batch)

    def end_update(
        self, name: StackName, update: StackUpdate, *, result: str, at: datetime
    ) -> None:
        stack = self._current(name, update)
        self._fold(name, stack.version)
        self._end_version(name, stack.version, result=result, at=at)
        self._set(name, active=None, changed_at=at)
        self._prune(name)

    # who may

    def _check_lease(self, by: Writer, name: StackName) -> None:
        here = self._in(LEASES, by.pipeline, by.environment)
        lease = self._row(select(LEASES).where(*here))
        if lease is not None and lease.held and lease.token == by.token:
            return
        now = f"It is now {lease.purpose}'s, {lease.owner}." if lease and lease.held else ""
        raise Fenced(
            f"The lease of {by.environment} under which {by} writes the stack {name} is no longer "
            f"the current one. {now}".strip(),
            holds="Nothing of this write was stored.",
            next="See who changes the environment now: orchestrator status.",
        )

    def _own(self, name: StackName, by: Writer) -> Stack:
        """The stack, where it belongs to the writer's environment, and its lease is current."""
        stack = self._stack(name)
        if (stack.pipeline, stack.environment) != (by.pipeline, by.environment):
            raise Refused(
                f"The stack {name} belongs to {stack.pipeline}/{stack.environment}; "
                f"{by.pipeline}/{by.environment} may read it only.",
                holds="Nothing was changed.",
                next="Give one of the stages another `stack:`.",
            )
        self._check_lease(by, name)
        return stack

    def _current(self, name: StackName, update: StackUpdate) -> Stack:
        """The stack, where this very update is the one under way. Raises Fenced."""
        stack = self._own(name, update.by)
        if stack.update is None or stack.update.id != update.id:
            now = f": {stack.update.by} changes it now" if stack.update else ""
            raise Fenced(
                f"This update of the stack {name}, by {update.by}, was ended by another act{now}.",
                holds="Nothing of this write was stored.",
            )
        return stack

    def _end_superseded(self, stack: Stack, by: Writer, at: datetime) -> None:
        """An update whose writer can write no more is over. Raises Locked where it still may."""
        if stack.update is not None:
            _check_superseded(stack, stack.update, by, at)
            self._fold(stack.name, stack.version)
            self._end_version(stack.name, stack.version, result="failed", at=at)

    # rows

    def _joined(self) -> Any:
        """A stack with the counts of its last version; one that has none yet as well."""
        same = (
            (VERSIONS.c.project == STACKS.c.project)
            & (VERSIONS.c.program == STACKS.c.program)
            & (VERSIONS.c.stack == STACKS.c.stack)
            & (VERSIONS.c.version == STACKS.c.version)
        )
        counts = (VERSIONS.c.resources, VERSIONS.c.pending)
        return select(STACKS, *counts).select_from(STACKS.outerjoin(VERSIONS, same))

    def _stack_row(self, name: StackName) -> Row[Any] | None:
        return self._row(self._joined().where(*self._named(STACKS, name)))

    def _stack(self, name: StackName) -> Stack:
        row = self._stack_row(name)
        if row is None or row.removed_at:
            raise NotFound(f"There is no stack {name}.")
        return stack_of(row)

    def _counted(self, stack: Stack) -> Stack:
        if stack.update is None:
            return stack
        batches = self._batches(stack.name, stack.version)
        if not batches:
            return stack
        last = self._last_version(stack.name)
        now = folded(self._content(last.digest if last else "", stack.name), batches)
        return replace(stack, resources=now.resources, pending=now.pending)

    def _last_version(self, name: StackName) -> StackVersion | None:
        return next(iter(self.stack_versions(name, limit=1)), None)

    def _add_version(
        self,
        name: StackName,
        version: int,
        *,
        kind: str,
        result: str,
        by: Writer,
        at: datetime,
        digest: str = "",
        resources: int = 0,
        pending: int = 0,
    ) -> None:
        values = {
            "project": self._project,
            "program": name.project,
            "stack": name.name,
            "version": version,
            "kind": kind,
            "result": result,
            "run": by.run,
            "stage": by.stage,
            "attempt": by.attempt,
            "token": by.token,
            "digest": digest,
            "resources": resources,
            "pending": pending,
            "at": at,
            "ended_at": None if result == "in-progress" else at,
        }
        self._change(insert(VERSIONS), values)

    def _end_version(self, name: StackName, version: int, *, result: str, at: datetime) -> None:
        here = (*self._named(VERSIONS, name), VERSIONS.c.version == version)
        self._change(update_rows(VERSIONS).where(*here), {"result": result, "ended_at": at})

    def _set(self, name: StackName, **values: Any) -> None:
        self._change(update_rows(STACKS).where(*self._named(STACKS, name)), values)

    # what goes

    def _prune(self, name: StackName) -> None:
        gone = no_longer_kept(self.stack_versions(name, limit=100_000))
        if not gone:
            return
        for version in gone:
            here = (*self._named(VERSIONS, name), VERSIONS.c.version == version.version)
            self._change(delete(VERSIONS).where(*here))
        self._drop_unused({version.digest for version in gone})


def _check_superseded(stack: Stack, active: StackUpdate, by: Writer, at: datetime) -> None:
    """Whether an update under way can go on no more: its lease, its attempt or its time is over."""
    mine = active.by
    is_older = mine.token != by.token
    is_earlier_try = mine.stage == by.stage and mine.attempt < by.attempt
    if is_older or is_earlier_try or active.until <= at:
        return
    since = active.since.strftime("%H:%M:%S UTC")
    raise Locked(
        f"The stack {stack.name} is being changed by {mine}, since {since}.",
        holds="Nothing was changed.",
        next="Wait for it, or cancel it.",
    )
