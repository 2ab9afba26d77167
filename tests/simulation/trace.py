"""What happened, in order? A story for people, and a digest for comparing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256


class Trace:
    """Lines of a story. Nothing in it may differ between two runs of one seed."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.now: Callable[[], datetime] = lambda: datetime.min.replace(tzinfo=UTC)

    def __call__(self, who: str, what: str) -> None:
        self.lines.append(f"{self.now():%H:%M:%S.%f} {who:<16} {what}")

    @property
    def digest(self) -> str:
        return sha256("\n".join(self.lines).encode()).hexdigest()

    def tail(self, count: int = 120) -> str:
        left_out = len(self.lines) - count
        head = [f"… {left_out} lines before …"] if left_out > 0 else []
        return "\n".join(head + self.lines[-count:])
