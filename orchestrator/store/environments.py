"""What stands in an environment, where are its states, and may it run from this store?"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, delete, select

from orchestrator.model.runs import InPlace, RunKey
from orchestrator.store import records
from orchestrator.store.base import RUNS, Part
from orchestrator.store.schema import table

IN_PLACE = table(records.InPlaceRecord)
BACKENDS = table(records.BackendRecord)
CLAIMS = table(records.ClaimRecord)


class Environments(Part):
    def in_place(self, pipeline: str, environment: str) -> tuple[InPlace, ...]:
        """In the order in which they were put there."""
        joined = IN_PLACE.join(RUNS, RUNS.c.id == IN_PLACE.c.run_id)
        found = select(IN_PLACE, RUNS.c.number).select_from(joined)
        here = self._in(IN_PLACE, pipeline, environment)
        rows = self._rows(found.where(*here).order_by(IN_PLACE.c.at, IN_PLACE.c.stage))
        return tuple(_in_place(row) for row in rows)

    def put_in_place(self, stage: InPlace) -> None:
        """Replaces what stood there for this stage. Raises NotFound where the run is unknown."""
        values = {
            "project": self._project,
            "pipeline": stage.pipeline,
            "environment": stage.environment,
            "stage": stage.stage,
            "run_id": self._run_id(stage.run),
            "release": stage.release,
            "inputs_digest": stage.inputs_digest,
            "outputs": stage.outputs,
            "at": stage.at,
        }
        self._put(IN_PLACE, values)

    def take_out(self, pipeline: str, environment: str, stage: str) -> None:
        here = self._in(IN_PLACE, pipeline, environment)
        self._change(delete(IN_PLACE).where(*here, IN_PLACE.c.stage == stage))

    def backend(self, pipeline: str, environment: str) -> str | None:
        """The recorded `state:`; None before the first run."""
        here = self._in(BACKENDS, pipeline, environment)
        found: str | None = self._scalar(select(BACKENDS.c.backend).where(*here))
        return found

    def record_backend(self, pipeline: str, environment: str, backend: str) -> None:
        key = {"project": self._project, "pipeline": pipeline, "environment": environment}
        self._put(BACKENDS, key | {"backend": backend})

    def claimed(self, environment: str) -> bool:
        """May a gated environment run here? No, until it was claimed."""
        here = (CLAIMS.c.project == self._project, CLAIMS.c.environment == environment)
        return self._row(select(CLAIMS.c.environment).where(*here)) is not None


def _in_place(row: Row[Any]) -> InPlace:
    return InPlace(
        pipeline=row.pipeline,
        environment=row.environment,
        stage=row.stage,
        run=RunKey(row.pipeline, row.environment, row.number),
        release=row.release,
        inputs_digest=row.inputs_digest,
        outputs=row.outputs,
        at=row.at,
    )
