"""Who did what? Rows that are only ever added, in the transaction of the act itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select

from orchestrator.model.values import Json
from orchestrator.store import records
from orchestrator.store.base import Part
from orchestrator.store.columns import moment_text
from orchestrator.store.schema import table

AUDIT = table(records.AuditRecord)


class Audit(Part):
    last_act: Mapping[str, Json] | None = None  # the newest that this transaction added

    def audit(
        self, *, actor: str, verb: str, subject: str, at: datetime, body: Mapping[str, Json]
    ) -> None:
        """Adds the next row of the project."""
        mine = AUDIT.c.project == self._project
        last = self._scalar(select(func.max(AUDIT.c.number)).where(mine)) or 0
        values = {
            "project": self._project,
            "number": last + 1,
            "at": at,
            "actor": actor,
            "verb": verb,
            "subject": subject,
            "body": body,
        }
        self._change(insert(AUDIT), values)
        self.last_act = self.act(last + 1)

    def act(self, number: int) -> Mapping[str, Json] | None:
        """The row of that number, as `audit_rows` has it."""
        row = self._row(
            select(AUDIT).where(AUDIT.c.project == self._project, AUDIT.c.number == number)
        )
        return None if row is None else _act(row)

    def audit_rows(self, limit: int = 100) -> tuple[Mapping[str, Json], ...]:
        """Newest first: number, at (ISO 8601), actor, verb, subject, body."""
        mine = select(AUDIT).where(AUDIT.c.project == self._project)
        rows = self._rows(mine.order_by(AUDIT.c.number.desc()).limit(limit))
        return tuple(_act(row) for row in rows)


def _act(row: Row[Any]) -> Mapping[str, Json]:
    return {
        "number": row.number,
        "at": moment_text(row.at),
        "actor": row.actor,
        "verb": row.verb,
        "subject": row.subject,
        "body": row.body,
    }
