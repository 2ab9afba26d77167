"""Who may change an environment, until when, and what does that cover?

Whether a holder lives is not for the store to say: it knows times and tokens (services.holding).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, select, update

from orchestrator.model.errors import Fenced, Locked
from orchestrator.model.runs import LEASE_LASTS, Covered, Hold, Lease
from orchestrator.store import records
from orchestrator.store.base import Part
from orchestrator.store.columns import moment_text
from orchestrator.store.schema import table

LEASES = table(records.LeaseRecord)
COVERED = table(records.CoveredRecord)


class Leases(Part):
    def lease(self, pipeline: str, environment: str) -> Lease | None:
        """The lease that is held now."""
        row = self._lease_row(pipeline, environment)
        return _lease(row) if row is not None and row.held else None

    def leases(self) -> tuple[Lease, ...]:
        """All that are held, by pipeline and environment."""
        mine = select(LEASES).where(LEASES.c.project == self._project, LEASES.c.held)
        rows = self._rows(mine.order_by(LEASES.c.pipeline, LEASES.c.environment))
        return tuple(_lease(row) for row in rows)

    def take_lease(
        self,
        pipeline: str,
        environment: str,
        *,
        owner: str,
        purpose: str,
        at: datetime,
        machine: str = "",
        lasts: timedelta | None = LEASE_LASTS,
        beneath: Hold | None = None,
    ) -> Lease:
        """A lease with a token above every earlier one. Raises Locked naming who holds it."""
        row = self._lease_row(pipeline, environment)
        if row is not None and row.held:
            held = _lease(row)
            if not (held.is_over(at, machine=machine) or _is_that(held, beneath)):
                raise _held(held)
        taken = Lease(
            pipeline=pipeline,
            environment=environment,
            token=1 if row is None else row.token + 1,
            owner=owner,
            purpose=purpose,
            taken_at=at,
            machine=machine,
            until=None if lasts is None else at + lasts,
            beneath=beneath,
        )
        self._put_lease(taken)
        self._uncover(pipeline, environment)
        return taken

    def lease_lasted(self, pipeline: str, environment: str) -> datetime | None:
        """Until when the last lease was good, also where nobody holds it any more."""
        row = self._lease_row(pipeline, environment)
        found: datetime | None = None if row is None else row.until
        return found

    def renew_lease(
        self, pipeline: str, environment: str, token: int, *, until: datetime | None
    ) -> None:
        """Raises Fenced where the token is not the current one: then nothing was written."""
        if not self._set_lease(pipeline, environment, token, {"until": until}):
            raise self._fenced(pipeline, environment, token)

    def check_lease(self, pipeline: str, environment: str, token: int) -> None:
        """Raises Fenced where the token is not the current one."""
        row = self._lease_row(pipeline, environment)
        if row is None or not row.held or row.token != token:
            raise self._fenced(pipeline, environment, token)

    def break_lease(self, pipeline: str, environment: str, token: int) -> None:
        """Nobody holds it, and the next token is used up, so that this one is not current again."""
        broken = {"held": False, "token": token + 1, "beneath": None}
        if not self._set_lease(pipeline, environment, token, broken):
            raise self._fenced(pipeline, environment, token)
        self._uncover(pipeline, environment)

    def rename_lease(self, lease: Lease, purpose: str) -> None:
        """The same lease for another purpose. Raises Locked where it is not the current one."""
        named = {"purpose": purpose}
        if self._set_lease(lease.pipeline, lease.environment, lease.token, named):
            return
        now = self.lease(lease.pipeline, lease.environment)
        if now is not None:
            raise _held(now)
        raise Locked(
            f"the lease of {lease.environment} for {lease.purpose} was given back already."
        )

    def release_lease(self, pipeline: str, environment: str, token: int) -> None:
        """The environment is free if the token is still the current one; else nothing.

        The hold that lay beneath comes back, under a token of its own.
        """
        row = self._lease_row(pipeline, environment)
        if row is None or not row.held or row.token != token:
            return
        lease = _lease(row)
        if lease.beneath is None:
            self._set_lease(pipeline, environment, token, {"held": False})
            self._uncover(pipeline, environment)
        else:  # what was covered stays so: the hold covers the same
            self._put_lease(_hold_again(lease, lease.beneath))

    # what it covers

    def cover(self, lease: Lease, things: Iterable[Covered]) -> None:
        """Raises Fenced, and Locked where another held lease covers one of them."""
        self.check_lease(lease.pipeline, lease.environment, lease.token)
        for thing in sorted(set(things)):
            self._refuse_covered(lease, thing)
            values = {
                "project": self._project,
                "thing": thing.thing,
                "label": thing.label,
                "pipeline": lease.pipeline,
                "environment": lease.environment,
            }
            self._put(COVERED, values)

    def covered(self, pipeline: str, environment: str) -> tuple[Covered, ...]:
        here = select(COVERED).where(*self._in(COVERED, pipeline, environment))
        rows = self._rows(here.order_by(COVERED.c.thing))
        return tuple(Covered(row.thing, row.label) for row in rows)

    def _refuse_covered(self, lease: Lease, thing: Covered) -> None:
        """Rows of a lease that is not held any more count for nothing."""
        mine = (COVERED.c.project == self._project, COVERED.c.thing == thing.thing)
        row = self._row(select(COVERED).where(*mine))
        if row is None or (row.pipeline, row.environment) == (lease.pipeline, lease.environment):
            return
        holder = self.lease(row.pipeline, row.environment)
        if holder is None:
            return
        what = thing.thing.partition(" ")[0]
        raise Locked(
            f"{what} {thing.label} is covered by {row.pipeline}/{row.environment} as well "
            f"(there: {row.label}), which is held: {holder.purpose}, by {holder.owner}, since "
            f"{_shown(holder.taken_at)}.",
            holds=f"Nothing was done to that {what}.",
            next=f"Wait for its end (orchestrator lease show {row.environment}), or give each "
            f"environment {what}s of its own.",
        )

    def _uncover(self, pipeline: str, environment: str) -> None:
        self._change(delete(COVERED).where(*self._in(COVERED, pipeline, environment)))

    # rows

    def _lease_row(self, pipeline: str, environment: str) -> Row[Any] | None:
        return self._row(select(LEASES).where(*self._in(LEASES, pipeline, environment)))

    def _set_lease(
        self, pipeline: str, environment: str, token: int, values: Mapping[str, Any]
    ) -> bool:
        """Whether it was the current one and is changed."""
        is_current = (LEASES.c.token == token, LEASES.c.held)
        here = self._in(LEASES, pipeline, environment)
        return bool(self._change(update(LEASES).where(*here, *is_current), values))

    def _put_lease(self, lease: Lease) -> None:
        values = {
            "project": self._project,
            "pipeline": lease.pipeline,
            "environment": lease.environment,
            "token": lease.token,
            "held": True,
            "owner": lease.owner,
            "purpose": lease.purpose,
            "taken_at": lease.taken_at,
            "machine": lease.machine,
            "until": lease.until,
            "beneath": _body(lease.beneath),
        }
        self._put(LEASES, values)

    def _fenced(self, pipeline: str, environment: str, token: int) -> Fenced:
        now = self.lease(pipeline, environment)
        whose = (
            f"It is {now.purpose}'s now, {now.owner}, token {now.token}."
            if now is not None
            else "It was given back or broken."
        )
        return Fenced(
            f"the lease of {environment} with token {token} is no longer the current one. {whose}",
            holds="Nothing of this write was stored.",
            next=f"See who changes it: orchestrator lease show {environment}",
        )


def _hold_again(lease: Lease, hold: Hold) -> Lease:
    return Lease(
        pipeline=lease.pipeline,
        environment=lease.environment,
        token=lease.token + 1,
        owner=hold.owner,
        purpose=hold.purpose,
        taken_at=hold.taken_at,
        machine=hold.machine,
        until=hold.until,
    )


def _is_that(held: Lease, beneath: Hold | None) -> bool:
    return beneath is not None and held.is_hold and held.as_hold() == beneath


def _lease(row: Row[Any]) -> Lease:
    return Lease(
        pipeline=row.pipeline,
        environment=row.environment,
        token=row.token,
        owner=row.owner,
        purpose=row.purpose,
        taken_at=row.taken_at,
        machine=row.machine or "",
        until=row.until,
        beneath=_hold(row.beneath),
    )


def _body(hold: Hold | None) -> dict[str, Any] | None:
    if hold is None:
        return None
    return {
        "owner": hold.owner,
        "machine": hold.machine,
        "why": hold.why,
        "taken_at": moment_text(hold.taken_at),
        "until": moment_text(hold.until) if hold.until else None,
    }


def _hold(body: Mapping[str, Any] | None) -> Hold | None:
    if body is None:
        return None
    return Hold(
        owner=body["owner"],
        machine=body["machine"],
        why=body["why"],
        taken_at=datetime.fromisoformat(body["taken_at"]),
        until=datetime.fromisoformat(body["until"]) if body["until"] else None,
    )


def _held(lease: Lease) -> Locked:
    return Locked(
        f"{lease.environment} is being changed: {lease.purpose}, by {lease.owner}, since "
        f"{_shown(lease.taken_at)}.",
        holds="Nothing was started.",
        next="Wait for it, or cancel it.",
    )


def _shown(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")
