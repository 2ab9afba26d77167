"""Which runs were there, and how did their stages end?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, func, insert, select, update

from orchestrator.model.codec import decode, encode
from orchestrator.model.definitions import StageKind
from orchestrator.model.runs import (
    Action,
    Changes,
    Failure,
    Run,
    RunKey,
    RunStatus,
    StageRun,
    Status,
)
from orchestrator.store import records
from orchestrator.store.base import RUNS, Part
from orchestrator.store.schema import table

STAGES = table(records.StageRecord)


class Runs(Part):
    def next_number(self, pipeline: str, environment: str) -> int:
        """Free until this transaction ends, if it writes."""
        here = self._in(RUNS, pipeline, environment)
        highest = self._scalar(select(func.max(RUNS.c.number)).where(*here))
        return int(highest or 0) + 1

    def add_run(self, run: Run, stages: Sequence[StageRun]) -> None:
        key = {
            "project": self._project,
            "pipeline": run.key.pipeline,
            "environment": run.key.environment,
            "number": run.key.number,
        }
        self._change(insert(RUNS), key | _run_values(run))
        run_id = self._run_id(run.key)
        rows = [{"run_id": run_id, "stage": s.stage} | _stage_values(s) for s in stages]
        if rows:
            self._change(insert(STAGES), rows)

    def run(self, key: RunKey) -> Run:
        """Raises NotFound naming the nearest runs."""
        row = self._row(select(RUNS).where(RUNS.c.id == self._run_id(key)))
        assert row is not None  # its id was found a moment ago, and runs are never removed
        return _run(row)

    def runs(
        self, *, pipeline: str = "", environment: str = "", limit: int = 50
    ) -> tuple[Run, ...]:
        """Newest first."""
        found = select(RUNS).where(RUNS.c.project == self._project)
        if pipeline:
            found = found.where(RUNS.c.pipeline == pipeline)
        if environment:
            found = found.where(RUNS.c.environment == environment)
        return tuple(_run(row) for row in self._rows(found.order_by(RUNS.c.id.desc()).limit(limit)))

    def save_run(self, run: Run) -> None:
        """Raises NotFound for a run that was never added."""
        run_id = self._run_id(run.key)
        self._change(update(RUNS).where(RUNS.c.id == run_id), _run_values(run))

    def stage_runs(self, key: RunKey) -> tuple[StageRun, ...]:
        """In pipeline order."""
        here = STAGES.c.run_id == self._run_id(key)
        rows = self._rows(select(STAGES).where(here).order_by(STAGES.c.place, STAGES.c.stage))
        return tuple(_stage_run(key, row) for row in rows)

    def save_stage_run(self, stage: StageRun) -> None:
        """Adds it where the run has no such stage yet. Raises NotFound for an unknown run."""
        key = {"run_id": self._run_id(stage.run), "stage": stage.stage}
        self._put(STAGES, key | _stage_values(stage))


def _run_values(run: Run) -> dict[str, Any]:
    return {
        "action": run.action.value,
        "status": run.status.value,
        "release": run.release,
        "environment_digest": run.environment_digest,
        "requested_by": run.requested_by,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "lease_token": run.lease_token,
        "reason": run.reason,
        "selected": run.select,
        "definition": run.definition,
        "machine": run.machine,
    }


def _run(row: Row[Any]) -> Run:
    return Run(
        key=RunKey(row.pipeline, row.environment, row.number),
        action=Action(row.action),
        status=RunStatus(row.status),
        release=row.release,
        environment_digest=row.environment_digest,
        requested_by=row.requested_by,
        started_at=row.started_at,
        ended_at=row.ended_at,
        select=tuple(row.selected),
        lease_token=row.lease_token,
        definition=row.definition,
        reason=row.reason,
        machine=row.machine or "",
    )


def _stage_values(stage: StageRun) -> dict[str, Any]:
    return {
        "place": stage.order,
        "kind": stage.kind.value,
        "status": stage.status.value,
        "attempts": stage.attempts,
        "started_at": stage.started_at,
        "ended_at": stage.ended_at,
        "inputs_digest": stage.inputs_digest,
        "reason": stage.reason,
        "changes": encode(stage.changes),
        "outputs": stage.outputs,
        "failures": encode(stage.failures),
        "hosts": stage.hosts,
        "notes": stage.notes,
    }


def _stage_run(key: RunKey, row: Row[Any]) -> StageRun:
    return StageRun(
        run=key,
        stage=row.stage,
        kind=StageKind(row.kind),
        status=Status(row.status),
        attempts=row.attempts,
        started_at=row.started_at,
        ended_at=row.ended_at,
        changes=decode(Changes, row.changes),
        outputs=row.outputs,
        failures=decode(tuple[Failure, ...], row.failures),
        hosts=row.hosts,
        reason=row.reason,
        inputs_digest=row.inputs_digest,
        notes=tuple(row.notes),
        order=row.place,
    )
