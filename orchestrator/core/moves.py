"""What does a driver tell the scheduler, and what does the scheduler ask it to do?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from orchestrator.model.definitions import Cause
from orchestrator.model.runs import RunStatus, Status


@dataclass(frozen=True, slots=True)
class Began:
    """The run begins, or is taken up again; changes nothing by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """An attempt has its result; of an approval: somebody decided (its attempt is 1)."""

    stage: str
    attempt: int
    status: Status  # SUCCEEDED, FAILED, CANCELLED or SKIPPED
    cause: Cause = Cause.FAILED  # read only where FAILED
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Nobody will ever know how an attempt ended."""

    stage: str
    attempt: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A stage may not run: a gate, a protection or a rule said no before it touched anything."""

    stage: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAsked:
    """Stop one stage, or the whole run where `stage` is empty."""

    stage: str = ""


@dataclass(frozen=True, slots=True)
class StartsHeld:
    """Nothing more is to be started; once nothing runs any more the rest is cancelled."""


@dataclass(frozen=True, slots=True)
class StartsResumed:
    """StartsHeld is taken back."""


@dataclass(frozen=True, slots=True)
class Woke:
    """Time has passed."""


Event: TypeAlias = (
    Began | Finished | Lost | Refused | CancelAsked | StartsHeld | StartsResumed | Woke
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Begin this attempt of a stage; the stage is running from now on."""

    stage: str
    attempt: int  # counted from 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AskApproval:
    """Ask the people of an approval stage; it is waiting from now on, its attempt is 1."""

    stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelStage:
    """Ask the running attempt of a stage to stop; its Finished or Lost is still to come."""

    stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeAt:
    """Send Woke at that time; until then the stage is pending.

    attempt: the one that starts then; of an approval that expires then, 1.
    """

    at: datetime
    stage: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StageEnded:
    """The last word on a stage: one for every stage of the run, and only one."""

    stage: str
    status: Status
    reason: str  # empty only where it succeeded
    cause: str = ""  # the stage at the root of it; empty where there is none but itself


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded:
    """Every stage has ended. The last command of a run."""

    status: RunStatus
    reason: str  # empty only where it succeeded


Command: TypeAlias = Start | AskApproval | CancelStage | WakeAt | StageEnded | RunEnded
