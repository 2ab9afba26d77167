"""What is known of a stack whose state lies in the store?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class StackName:
    """A stack is found by its Pulumi project and its own name, once per store."""

    project: str
    name: str

    def __str__(self) -> str:
        return f"{self.project}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Who writes a stack, and under which lease of which environment."""

    pipeline: str
    environment: str
    token: int  # the lease's fencing token
    run: str  # "dev#3"; "" outside a run
    stage: str = ""
    attempt: int = 0

    def __str__(self) -> str:
        act = f"run {self.run}" if self.run else "an act"
        return f"{act}, stage {self.stage}" if self.stage else act


@dataclass(frozen=True, slots=True, kw_only=True)
class StackUpdate:
    """An update under way. Nothing is left of it to clear by hand: a later lease ends it."""

    id: str
    kind: str  # update, refresh, destroy, import
    by: Writer
    since: datetime
    until: datetime  # unless it is renewed before


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A stack as it is now. version: 0 before its first update; never used twice."""

    name: StackName
    pipeline: str
    environment: str  # the only one whose lease lets it be written
    version: int
    key: str = field(repr=False)  # what its secrets are encrypted with, sealed by the vault
    tags: Mapping[str, str] = field(default_factory=dict)
    update: StackUpdate | None = None
    resources: int = 0
    pending: int = 0  # operations that were begun and not ended
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A stack's whole state, ready to be kept. content: canonical JSON, UTF-8."""

    content: bytes = field(repr=False)
    resources: int
    pending: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StackVersion:
    """One update of a stack, and what it left."""

    version: int
    kind: str
    result: str  # in-progress, succeeded, failed
    run: str
    stage: str
    attempt: int
    token: int
    digest: str  # sha256 of the deployment's content; "" where there is none
    resources: int
    pending: int
    at: datetime
    ended_at: datetime | None = None
