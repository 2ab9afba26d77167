"""What does the server answer, and how does the CLI hear a refusal in our own words?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.model.errors import (
    Locked,
    NotFound,
    OrchestratorError,
    Refused,
    StoreUnwritable,
)


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP status and a JSON body; None sends no body."""

    status: int = 200
    body: Mapping[str, Any] | None = None

    def content(self) -> bytes:
        return b"" if self.body is None else json.dumps(self.body).encode()


DONE = Reply(204)


def refusal(status: int, message: str) -> Reply:
    return Reply(status, {"code": status, "message": message})


def refusal_of(error: OrchestratorError) -> Reply:
    """409 is what the CLI shows and stops at; 503 it tries again by itself."""
    if isinstance(error, NotFound):
        return refusal(404, str(error))
    if isinstance(error, StoreUnwritable):
        return refusal(503, str(error))
    if isinstance(error, Locked | Refused):
        return refusal(409, str(error))
    return refusal(400, str(error))
