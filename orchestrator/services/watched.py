"""What has a running attempt told, and has it ended?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import cast

from orchestrator.attempts.folder import AttemptFolder, Proof
from orchestrator.attempts.spool import SpoolReader
from orchestrator.model.codec import decode
from orchestrator.model.definitions import Cause
from orchestrator.model.events import Recorded
from orchestrator.model.runs import Failure, Outcome, Status
from orchestrator.model.values import Json
from orchestrator.procs import end_marked

_NOTHING = Outcome(status=Status.SUCCEEDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How an attempt ended."""

    status: Status  # SUCCEEDED, FAILED, CANCELLED, SKIPPED or LOST
    outcome: Outcome = _NOTHING
    outputs: Mapping[str, Json] = field(default_factory=dict)  # secrets sealed
    plan: Json = None
    reason: str = ""  # why it was skipped or is lost

    @property
    def cause(self) -> Cause:
        return self.outcome.cause


class WatchedAttempt:
    """One attempt that runs, seen from the driver."""

    def __init__(
        self, folder: AttemptFolder, *, stage: str, number: int, mark: str, after: int = 0
    ) -> None:
        self.folder = folder
        self.stage = stage
        self.number = number
        self._mark = mark
        self._reader = SpoolReader(folder.spool, stage=stage, attempt=number, after=after)

    def told(self) -> tuple[Recorded, ...]:
        """What it told since the last look, in order."""
        return self._reader.read()

    def ended(self, grace: timedelta) -> Ended | None:
        """How it ended, or None while it lives. A tool that outlived its attempt is ended first."""
        proof = self.folder.proof()
        if proof is Proof.LIVING:
            return None
        if proof is Proof.ENDED:
            answer = self.folder.answer()
            assert answer is not None
            return ended_by(self.stage, answer)
        if proof is Proof.NEVER_STARTED:
            return _failed(self.stage, "the attempt ended before it had started any tool.")
        end_marked(self._mark, grace=grace)
        if (answer := self.folder.answer()) is not None:  # written while we looked
            return ended_by(self.stage, answer)
        return Ended(
            status=Status.LOST,
            reason="its attempt process died without a result; what it had done by then is not "
            "known. Nothing of it runs any more.",
        )


def ended_by(stage: str, answer: Mapping[str, Json]) -> Ended:
    """How an attempt ended, by the result it wrote."""
    if "unchanged" in answer:
        return Ended(status=Status.SKIPPED, reason=str(answer["unchanged"]))
    if "plan" in answer:
        return Ended(status=Status.SUCCEEDED, plan=answer["plan"])
    if "error" in answer:
        error = cast("Mapping[str, Json]", answer["error"])
        if error["lost"]:
            return Ended(status=Status.LOST, reason=str(error["text"]))
        return _failed(stage, str(error["text"]))
    outcome = decode(Outcome, answer["outcome"])
    outputs = cast("Mapping[str, Json]", answer["outputs"])
    return Ended(status=outcome.status, outcome=outcome, outputs=outputs)


def _failed(stage: str, what: str) -> Ended:
    failure = Failure(where=stage, what=what)
    return Ended(status=Status.FAILED, outcome=Outcome(status=Status.FAILED, failures=(failure,)))
