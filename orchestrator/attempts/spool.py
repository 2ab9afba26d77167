"""How do an attempt's events reach the driver, also one that comes later?

One line of JSON an event, appended; a reader takes complete lines only, so a torn tail waits.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

from orchestrator.attempts.hints import hint
from orchestrator.model.codec import encode
from orchestrator.model.events import HostSummary, LogLine, Recorded, StageEvent, TaskResult
from orchestrator.model.values import Json

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
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
        self._unkept = 0  # events that found no room since the last one that did
        self._lock = Lock()  # executors may report from a reading thread

    def __call__(self, event: StageEvent) -> None:
        """The event is appended. On a full disk it is not, and that is told once there is room:

        what a tool did to the world weighs more than what it says about it.
        """
        body = self._redact(encode(event))
        with self._lock:
            if self._unkept:
                told = LogLine(
                    text=f"{self._unkept} events are missing here: the disk was full",
                    stream="tool",
                    severity="warning",
                )
                if self._appended(told, encode(told)):
                    self._unkept = 0
            if self._unkept or not self._appended(event, body):
                self._unkept += 1
        hint(self._hint)

    def close(self) -> None:
        self._file.close()

    def _appended(self, event: StageEvent, body: Json) -> bool:
        row = {
            "sequence": self._sequence + 1,
            "at": self._now().isoformat(),
            "type": event.type,
            "host": event.host if isinstance(event, TaskResult | HostSummary) else "",
            "failed": _failed(event),
            "body": body,
        }
        if not self._written(json.dumps(row, separators=(",", ":")).encode() + b"\n"):
            return False
        self._sequence += 1
        return True

    def _written(self, line: bytes) -> bool:
        """The whole line is there; or nothing of it, where the disk has no room."""
        size = os.fstat(self._file.fileno()).st_size
        left = memoryview(line)
        try:
            while left:  # the last bytes of a disk take a part of a line
                left = left[self._file.write(left) or 0 :]
        except OSError as error:
            os.ftruncate(self._file.fileno(), size)
            if error.errno not in NO_ROOM:
                raise
            return False
        return True


class SpoolReader:
    """The driver's end: what was appended since the last look."""

    def __init__(self, path: Path, *, stage: str, attempt: int, after: int = 0) -> None:
        self._path = path
        self._stage = stage
        self._attempt = attempt
        self._after = after  # sequences up to this one are stored already
        self._offset = 0
        self._last = 0

    def read(self, limit: int = 4 << 20) -> tuple[Recorded, ...]:
        """New events in order, from about `limit` bytes; () where there is nothing new."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read(limit)
                if len(data) == limit:  # to the end of a line, and a line may be longer than that
                    data += file.readline()
        except FileNotFoundError:
            return ()
        whole = data.rfind(b"\n") + 1
        self._offset += whole
        rows = [self._row(line) for line in data[:whole].split(b"\n")[:-1]]
        return tuple(self._recorded(row) for row in rows if row["sequence"] > self._after)

    def _row(self, line: bytes) -> dict[str, Any]:
        """A machine that lost its power may have left anything here: that must stop nobody."""
        try:
            row: dict[str, Any] = json.loads(line)
            self._last = int(row["sequence"])
        except (ValueError, KeyError, TypeError):
            self._last += 1
            lost = LogLine(text="what was told here cannot be read any more", severity="warning")
            row = {
                "sequence": self._last,
                "at": datetime.now(UTC).isoformat(),
                "type": lost.type,
                "host": "",
                "failed": False,
                "body": encode(lost),
            }
        return row

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
