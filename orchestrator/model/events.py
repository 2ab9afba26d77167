"""What can be told while a stage runs? One stream for terminal, web, API and store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, TypeAlias

from orchestrator.model.values import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line a tool or program printed."""

    type: ClassVar[str] = "log"
    text: str
    stream: str = "stdout"  # stdout | stderr | tool
    severity: str = "info"  # info | warning | error | debug


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceEvent:
    """A Pulumi resource started, ended or failed an operation."""

    type: ClassVar[str] = "resource"
    urn: str
    kind: str  # the resource's type
    name: str
    operation: str  # create | update | replace | delete | same | read | refresh
    state: str  # started | done | failed
    paths: tuple[str, ...] = ()
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStarted:
    """Ansible began a task."""

    type: ClassVar[str] = "task"
    play: str
    task: str
    number: int  # counted from 1 within the attempt
    total: int = 0  # 0 where not known
    role: str = ""
    file: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """What a task did on one host."""

    type: ClassVar[str] = "result"
    host: str
    play: str
    task: str
    state: str  # ok | changed | failed | ignored | rescued | skipped | unreachable
    role: str = ""
    file: str = ""
    action: str = ""
    item: str = ""  # of a loop
    message: str = ""
    diff: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSummary:
    """Ansible's recap of one host."""

    type: ClassVar[str] = "host"
    host: str
    state: str  # ok | changed | failed | unreachable | not_reached
    counts: Mapping[str, int] = field(default_factory=dict)  # ok, changed, failures, dark, skipped…


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One line that says what is going on now."""

    type: ClassVar[str] = "progress"
    text: str


StageEvent: TypeAlias = LogLine | ResourceEvent | TaskStarted | TaskResult | HostSummary | Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A stage event as stored: idempotent by (run, stage, attempt, sequence)."""

    stage: str
    attempt: int
    sequence: int  # counted from 1 within the attempt
    at: datetime
    type: str
    body: Mapping[str, Json]  # the event's fields, redacted
    host: str = ""
    failed: bool = False
    id: int = 0  # the store's own order over the whole run; 0 before it is stored


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent:
    """A change of a run or of one of its stages; what the terminal shows as a line."""

    type: str  # run.started, stage.started, stage.finished, stage.retrying, stage.waiting, run.…
    run: str
    at: datetime
    stage: str = ""
    body: Mapping[str, Json] = field(default_factory=dict)
    id: int = 0
