"""What would a playbook do, as rows of a plan?

`--check` predicts and never knows: what it skips because a module cannot tell (command, shell) is
opaque, never "no change"; a check that cannot run makes the whole stage deferred.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.ansible.listening import Heard, failures_of, title
from orchestrator.ansible.verdict import outputs_of
from orchestrator.model.runs import Changes, Plan, Row, RowCertainty
from orchestrator.model.work import Work


def plan_of(work: Work, heard: Heard, code: int) -> Plan:
    """The plan of a check that ended by itself and whose playbook could be loaded."""
    if reason := _why_deferred(heard, code):
        return Plan(unknown=tuple(work.outputs), deferred=reason)
    rows = tuple(rows_of(heard))
    outputs = {} if rows else outputs_of(work.outputs, heard)[0]
    return Plan(
        rows=rows,
        changes=Changes(update=len(rows)),
        outputs=outputs,
        unknown=tuple(name for name in work.outputs if name not in outputs),
    )


def rows_of(heard: Heard) -> Iterator[Row]:
    """One row per host and task that would change something, or might."""
    for final in heard.finals:
        result = final.result
        if result.state == "changed":
            yield Row(
                address=f"{result.host}: {title(result)}",
                operation="change",
                paths=final.paths,
                certainty=RowCertainty.PREDICTED,
                detail=final.diff,
            )
        elif final.unchecked:
            yield Row(
                address=f"{result.host}: {title(result)}",
                operation="run",
                certainty=RowCertainty.OPAQUE,
                detail=result.message,
            )


def _why_deferred(heard: Heard, code: int) -> str:
    if not (heard.stats or {}).get("processed"):
        return "no host is there yet to check"
    for final in failures_of(heard):
        result = final.result
        if result.state == "unreachable":
            return f"{result.host} does not answer yet: {result.message}"
        return f"the check cannot run yet: {result.host}: {title(result)}: {result.message}"
    return "" if code == 0 else f"the check ended with code {code}"
