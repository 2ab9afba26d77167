"""How does a plan read? A line per stage, its rows, and the summary last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.cli.words import changes, clean, plural
from orchestrator.model.codec import encode
from orchestrator.model.runs import Row, RowCertainty
from orchestrator.services.plans import StagePlan, total

SIGNS = {"create": "+", "update": "~", "delete": "-", "replace": "±", "change": "~", "run": "?"}
SHOWN = 20  # rows of a stage; destroys and replaces are always shown


def plan_text(plans: Sequence[StagePlan]) -> str:
    """Stage by stage, then what is destroyed or replaced by name, then the sum."""
    width = max((len(plan.stage) for plan in plans), default=0)
    lines = [line for plan in plans for line in _stage(plan, width)]
    hard = [
        f"{plan.stage}: {row.operation} {clean(row.address)}"
        for plan in plans
        for row in plan.plan.rows
        if row.operation in ("delete", "replace")
    ]
    lines.append(f"Destroys or replaces: {', '.join(hard) or 'none'}")
    sure, unknown = total(plans), [plan.stage for plan in plans if plan.open]
    summed = f"+{sure.create} ~{sure.update} -{sure.delete} ±{sure.replace}"
    lines.append(f"{summed} in {plural(len(plans), 'stage')}")
    if unknown:
        lines.append(f"not known before it runs: {', '.join(unknown)}")
    return "\n".join(lines)


def _stage(plan: StagePlan, width: int) -> Iterator[str]:
    head = f"  {plan.stage:<{width}}  "
    if plan.error:
        yield f"{head}cannot be planned: {clean(plan.error)}"
        return
    if plan.plan.deferred:
        yield f"{head}deferred: {clean(plan.plan.deferred)}"
        return
    counts = encode(plan.plan.changes)
    assert isinstance(counts, dict)
    yield head + (changes(plan.kind.value, counts) or "runs")  # type: ignore[arg-type]  # ints
    rows = plan.plan.rows
    for row in rows[:SHOWN]:
        yield f"      {_row(row)}"
    if len(rows) > SHOWN:
        yield f"      … and {len(rows) - SHOWN} more"


def _row(row: Row) -> str:
    paths = f": {', '.join(row.paths)}" if row.paths else ""
    known = "" if row.certainty is RowCertainty.EXACT else f"  ({row.certainty.value})"
    return f"{SIGNS.get(row.operation, ' ')} {clean(row.address)}{clean(paths)}{known}"
