"""How do an attempt's events reach the driver, also one that comes later?

One line of JSON an event, appended; a reader takes complete lines only, so a torn tail waits.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any

from orchestrator.attempts.hints import hint
from orchestrator.model.codec import encode
from orchestrator.model.events import HostSummary, Recorded, StageEvent, TaskResult
from orchestrator.model.values import Json

_FAILED_STATES = ("failed", "unreachable")


class Spool:
    """The attempt's end: a Report that redacts, numbers and appends."""

    def __init__(
        self,
        path: Path,
        *,
        now: Callable[[], datetime],
        redact: Callable[[Json], Json],
        hint_name: str,
    ) -> None:
        self._file = path.open("ab", buffering=0)
        self._now = now
        self._redact = redact
        self._hint = hint_name
        self._sequence = 0
        self._lock = Lock()  # executors may report from a reading thread

    def __call__(self, event: StageEvent) -> None:
        body = self._redact(encode(event))
        with self._lock:
            self._sequence += 1
            row = {
                "sequence": self._sequence,
                "at": self._now().isoformat(),
                "type": event.type,
                "host": event.host if isinstance(event, TaskResult | HostSummary) else "",
                "failed": _failed(event),
                "body": body,
            }
            self._file.write(json.dumps(row, separators=(",", ":")).encode() + b"\n")
        hint(self._hint)

    def close(self) -> None:
        self._file.close()


class SpoolReader:
    """The driver's end: what was appended since the last look."""

    def __init__(self, path: Path, *, stage: str, attempt: int, after: int = 0) -> None:
        self._path = path
        self._stage = stage
        self._attempt = attempt
        self._after = after  # sequences up to this one are stored already
        self._offset = 0

    def read(self, limit: int = 4 << 20) -> tuple[Recorded, ...]:
        """New events in order, from at most `limit` bytes; () where there is nothing new."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read(limit)
        except FileNotFoundError:
            return ()
        whole = data.rfind(b"\n") + 1
        self._offset += whole
        rows = (json.loads(line) for line in data[:whole].splitlines())
        return tuple(self._recorded(row) for row in rows if row["sequence"] > self._after)

    def _recorded(self, row: dict[str, Any]) -> Recorded:
        return Recorded(
            stage=self._stage,
            attempt=self._attempt,
            sequence=row["sequence"],
            at=datetime.fromisoformat(row["at"]),
            type=row["type"],
            body=row["body"],
            host=row["host"],
            failed=row["failed"],
        )


def _failed(event: StageEvent) -> bool:
    return (
        getattr(event, "state", "") in _FAILED_STATES or getattr(event, "severity", "") == "error"
    )
