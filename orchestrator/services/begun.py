"""With which event does a run's story open, for whoever begins to listen?"""

from __future__ import annotations

from orchestrator.model.events import RunEvent
from orchestrator.model.runs import RunKey
from orchestrator.services.app import App


def begun(app: App, key: RunKey) -> RunEvent:
    """`run.started`, with every stage and where it stands now."""
    with app.store.read() as tx:
        run, stages = tx.run(key), tx.stage_runs(key)
        release = tx.release(run.release)[1]
    return RunEvent(
        type="run.started",
        run=app.spoken(key),
        at=run.started_at,
        body={
            "action": run.action.value,
            "release": release,
            "by": run.requested_by,
            "environment": key.environment,
            "stages": [
                {"stage": s.stage, "kind": s.kind.value, "status": s.status.value} for s in stages
            ],
        },
    )
