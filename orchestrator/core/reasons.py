"""How is it said why a stage or a run ended as it did?"""

from __future__ import annotations

from orchestrator.core.run_state import RunState
from orchestrator.model.runs import RunStatus, Status

REFUSED = "refused: "  # begins the reason of a stage that was refused, also where it is read back
_WORDS = {
    Status.FAILED: "failed",
    Status.LOST: "is lost",
    Status.CANCELLED: "was cancelled",
    Status.BLOCKED: "was refused",  # only a refusal is a root of that kind
}


def blocked_by_need(state: RunState, need: int, root: int) -> str:
    """Why a stage is blocked whose need ended badly. root: the stage that began it."""
    name = state.names[need]
    relation = f"{name} stands on it" if state.destroys else f"needs {name}"
    if root != need:
        return f"{relation}; {what_happened(state, root)}"
    return f"{relation}, which {_WORDS[state.statuses[root]]}"


def blocked_by_stop(state: RunState) -> str:
    root = state.stopped_by
    refused = is_refused(state, root)
    rule = "nothing more is started" if refused else "its on_failure is stop"
    return f"{what_happened(state, root)}, and {rule}"


def not_tried_again(state: RunState, stage: int) -> str:
    """Why a stage that waited for its next attempt has failed after all."""
    before = state.reasons[stage]
    return f"{before}; not tried again: {blocked_by_stop(state)}".removeprefix("; ")


def what_happened(state: RunState, stage: int) -> str:
    return f"{state.names[stage]} {_WORDS[state.statuses[stage]]}"


def is_refused(state: RunState, stage: int) -> bool:
    blocked = state.statuses[stage] is Status.BLOCKED
    return blocked and state.reasons[stage].startswith(REFUSED)


def run_end(state: RunState) -> tuple[RunStatus, str]:
    """How the run ended: not knowing weighs most, then failure, cancelling, refusal."""
    for status, run_status in (
        (Status.LOST, RunStatus.LOST),
        (Status.FAILED, RunStatus.FAILED),
        (Status.CANCELLED, RunStatus.CANCELLED),
    ):
        names = [n for n, s in zip(state.names, state.statuses, strict=True) if s is status]
        if names:
            return run_status, _some(names, _WORDS[status])
    if Status.BLOCKED in state.statuses:
        return RunStatus.STOPPED, _refusal(state)
    return RunStatus.SUCCEEDED, ""


def _refusal(state: RunState) -> str:
    """Of the first that was refused, in declared order."""
    for stage, name in enumerate(state.names):
        if is_refused(state, stage):
            return f"{name} was {state.reasons[stage]}"
    return state.reasons[state.statuses.index(Status.BLOCKED)]


def _some(names: list[str], word: str) -> str:
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"{shown} {word.replace('is', 'are').replace('was', 'were') if names[1:] else word}"
