"""What was told while runs went on, and what was asked of their drivers?"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select

from orchestrator.model.events import Recorded, RunEvent
from orchestrator.model.runs import Request, RequestKind, RunKey
from orchestrator.store import records
from orchestrator.store.base import Part
from orchestrator.store.schema import table

EVENTS = table(records.EventRecord)
RUN_EVENTS = table(records.RunEventRecord)
REQUESTS = table(records.RequestRecord)
_ONCE = ("run_id", "stage", "attempt", "sequence")


class Telling(Part):
    def add_recorded(self, key: RunKey, events: Iterable[Recorded]) -> int:
        """How many were new: (run, stage, attempt, sequence) is stored once."""
        run_id = self._run_id(key)
        rows = [_recorded_values(run_id, event) for event in events]
        if not rows:
            return 0
        return self._add_once(EVENTS, _ONCE, rows)

    def recorded(
        self,
        key: RunKey,
        *,
        stage: str = "",
        attempt: int = 0,
        host: str = "",
        failed: bool = False,
        after: int = 0,
        limit: int = 1000,
    ) -> tuple[Recorded, ...]:
        """By id; an empty stage or host, and attempt 0, stand for all; failed: only those."""
        found = select(EVENTS).where(EVENTS.c.run_id == self._run_id(key), EVENTS.c.id > after)
        if stage:
            found = found.where(EVENTS.c.stage == stage)
        if attempt:
            found = found.where(EVENTS.c.attempt == attempt)
        if host:
            found = found.where(EVENTS.c.host == host)
        if failed:
            found = found.where(EVENTS.c.failed.is_(True))
        rows = self._rows(found.order_by(EVENTS.c.id).limit(limit))
        return tuple(_recorded(row) for row in rows)

    def taken_in(self, key: RunKey, stage: str, attempt: int) -> int:
        """The highest sequence that is stored; 0 where none is."""
        here = (
            EVENTS.c.run_id == self._run_id(key),
            EVENTS.c.stage == stage,
            EVENTS.c.attempt == attempt,
        )
        return int(self._scalar(select(func.max(EVENTS.c.sequence)).where(*here)) or 0)

    def add_run_event(self, key: RunKey, event: RunEvent) -> None:
        values = {
            "run_id": self._run_id(key),
            "run": event.run,
            "type": event.type,
            "stage": event.stage,
            "at": event.at,
            "body": event.body,
        }
        self._change(insert(RUN_EVENTS), values)

    def run_events(self, key: RunKey, *, after: int = 0) -> tuple[RunEvent, ...]:
        """By id, those above `after`."""
        here = (RUN_EVENTS.c.run_id == self._run_id(key), RUN_EVENTS.c.id > after)
        rows = self._rows(select(RUN_EVENTS).where(*here).order_by(RUN_EVENTS.c.id))
        return tuple(_run_event(row) for row in rows)

    def add_request(
        self, key: RunKey, kind: RequestKind, *, by: str, at: datetime, stage: str = ""
    ) -> None:
        values = {
            "run_id": self._run_id(key),
            "kind": kind.value,
            "stage": stage,
            "requested_by": by,
            "at": at,
        }
        self._change(insert(REQUESTS), values)

    def requests(self, key: RunKey, *, after: int = 0) -> tuple[Request, ...]:
        """By number, those above `after`."""
        here = (REQUESTS.c.run_id == self._run_id(key), REQUESTS.c.id > after)
        rows = self._rows(select(REQUESTS).where(*here).order_by(REQUESTS.c.id))
        return tuple(_request(key, row) for row in rows)

    def forget_requests(self, key: RunKey) -> None:
        """Whoever drives the run from now on is asked nothing yet."""
        self._change(delete(REQUESTS).where(REQUESTS.c.run_id == self._run_id(key)))


def _recorded_values(run_id: int, event: Recorded) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "stage": event.stage,
        "attempt": event.attempt,
        "sequence": event.sequence,
        "at": event.at,
        "type": event.type,
        "host": event.host,
        "failed": event.failed,
        "body": event.body,
    }


def _recorded(row: Row[Any]) -> Recorded:
    return Recorded(
        stage=row.stage,
        attempt=row.attempt,
        sequence=row.sequence,
        at=row.at,
        type=row.type,
        body=row.body,
        host=row.host,
        failed=row.failed,
        id=row.id,
    )


def _run_event(row: Row[Any]) -> RunEvent:
    return RunEvent(
        type=row.type, run=row.run, at=row.at, stage=row.stage, body=row.body, id=row.id
    )


def _request(key: RunKey, row: Row[Any]) -> Request:
    return Request(
        number=row.id,
        run=key,
        kind=RequestKind(row.kind),
        by=row.requested_by,
        at=row.at,
        stage=row.stage,
    )
