"""Who may change an environment?"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update

from orchestrator.model.errors import Locked
from orchestrator.model.runs import Lease
from orchestrator.store import records
from orchestrator.store.base import Part
from orchestrator.store.schema import table

LEASES = table(records.LeaseRecord)


class Leases(Part):
    def lease(self, pipeline: str, environment: str) -> Lease | None:
        """The lease that is held now."""
        row = self._lease_row(pipeline, environment)
        return _lease(row) if row is not None and row.held else None

    def take_lease(
        self, pipeline: str, environment: str, *, owner: str, purpose: str, at: datetime
    ) -> Lease:
        """A lease with a token above every earlier one. Raises Locked naming who holds it."""
        row = self._lease_row(pipeline, environment)
        if row is not None and row.held:
            raise _held(_lease(row))
        taken = Lease(
            pipeline=pipeline,
            environment=environment,
            token=1 if row is None else row.token + 1,
            owner=owner,
            purpose=purpose,
            taken_at=at,
        )
        self._put_lease(taken)
        return taken

    def rename_lease(self, lease: Lease, purpose: str) -> None:
        """The same lease for another purpose. Raises Locked where it is not the current one."""
        is_current = (LEASES.c.token == lease.token, LEASES.c.held)
        here = self._in(LEASES, lease.pipeline, lease.environment)
        if self._change(update(LEASES).where(*here, *is_current), {"purpose": purpose}):
            return
        now = self.lease(lease.pipeline, lease.environment)
        if now is not None:
            raise _held(now)
        raise Locked(
            f"the lease of {lease.environment} for {lease.purpose} was given back already."
        )

    def release_lease(self, pipeline: str, environment: str, token: int) -> None:
        """The environment is free if the token is still the current one; else nothing."""
        is_current = LEASES.c.token == token
        here = self._in(LEASES, pipeline, environment)
        self._change(update(LEASES).where(*here, is_current), {"held": False})

    def _lease_row(self, pipeline: str, environment: str) -> Row[Any] | None:
        return self._row(select(LEASES).where(*self._in(LEASES, pipeline, environment)))

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
        }
        self._put(LEASES, values)


def _lease(row: Row[Any]) -> Lease:
    return Lease(
        pipeline=row.pipeline,
        environment=row.environment,
        token=row.token,
        owner=row.owner,
        purpose=row.purpose,
        taken_at=row.taken_at,
    )


def _held(lease: Lease) -> Locked:
    since = lease.taken_at.strftime("%Y-%m-%d %H:%M:%S UTC")
    return Locked(
        f"{lease.environment} is being changed: {lease.purpose}, by {lease.owner}, since {since}.",
        holds="Nothing was started.",
        next="Wait for it, or cancel it.",
    )
