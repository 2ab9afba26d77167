"""What did attempts really do? Written down where it happens; no part of ours reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.model.definitions import Cause
from orchestrator.model.runs import Action, Status


@dataclass(slots=True, kw_only=True)
class Truth:
    """One attempt, as it really was."""

    run: str  # "p/dev#1"
    environment: str
    stage: str
    number: int
    action: Action
    machine: str
    mark: str
    began_at: datetime
    may_skip: bool
    asked: str = ""  # who asked for it
    alive: bool = True  # its process
    tool: bool = False  # its tool
    started: bool = False  # nobody may take it that nothing happened
    touched: bool = False  # it did something to the world
    told: int = 0  # whole events in its spool
    status: Status | None = None  # of its result; None while, or where, there is none
    cause: Cause = Cause.FAILED
    outputs: Mapping[str, str] = field(default_factory=dict)
    changed: bool = False
    cancel_seen: bool = False
    given_up: bool = False  # recorded as lost while it was on a machine nobody heard of

    @property
    def name(self) -> str:
        return f"{self.run}/{self.stage}/{self.number}"

    @property
    def unknown(self) -> bool:
        """Nobody can know what it did to the world."""
        return self.started and (self.given_up or self.status in (None, Status.LOST))

    @property
    def lives(self) -> bool:
        return self.alive or self.tool


class Ledger:
    """All attempts there ever were, in order, and what stands on what."""

    def __init__(self, below: Mapping[str, tuple[str, ...]]) -> None:
        self._below = below  # stage -> all that stand on it
        self.attempts: list[Truth] = []
        self.disturbed: dict[tuple[str, str], bool] = {}  # (environment, stage)

    def of(self, run: str, stage: str) -> list[Truth]:
        """In the order they began; by number."""
        return [t for t in self.attempts if t.run == run and t.stage == stage]

    def place(self, truth: Truth) -> int:
        """How many attempts there were before it."""
        return next(at for at, each in enumerate(self.attempts) if each is truth)

    def living(self, *, run: str = "", environment: str = "") -> list[Truth]:
        return [
            t
            for t in self.attempts
            if t.lives and run in ("", t.run) and environment in ("", t.environment)
        ]

    def ended(self, truth: Truth) -> None:
        """What it left behind: what stands on it is not as it was, unless it proved so."""
        if not truth.touched or truth.given_up:  # the latter was told to a person as unknown
            return
        here = truth.environment
        proved = truth.status is Status.SUCCEEDED and not truth.changed and truth.number == 1
        if truth.status is not Status.SKIPPED and not proved:
            for stage in self._below[truth.stage]:
                self.disturbed[here, stage] = True
        good = truth.status in (Status.SUCCEEDED, Status.SKIPPED)
        if not good or truth.action is Action.DESTROY:
            self.disturbed[here, truth.stage] = True

    def recorded_good(self, environment: str, stage: str) -> None:
        self.disturbed[environment, stage] = False
