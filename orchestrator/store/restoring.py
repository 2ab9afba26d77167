"""What becomes of a database that was put back from a backup, once a person says that it counts?

Nothing in it is taken for true any more that a living process may have changed since: runs that
were under way are lost, leases are free under tokens far above any that was given, and no stage is
skipped before it has run again.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, literal, select, update

from orchestrator.model.errors import Refused
from orchestrator.model.runs import RunStatus, Status
from orchestrator.store import records
from orchestrator.store.marks import forget, note, seen
from orchestrator.store.repository import StoreTransaction
from orchestrator.store.schema import table
from orchestrator.store.store import DatabaseStore

LEASES = table(records.LeaseRecord)
RUNS = table(records.RunRecord)
STAGES = table(records.StageRecord)
IN_PLACE = table(records.InPlaceRecord)
FAR_ABOVE = 1_000_000  # tokens that were given since the backup are fewer
WHY = "the database was put back from a backup; what happened since is not in it"


def accept_restore(store: DatabaseStore, *, why: str, by: str, at: datetime) -> int:
    """The database counts from now on; how many runs are lost by it. Raises Refused."""
    if not why.strip():
        raise Refused("this needs a reason: --why TEXT.", holds="Nothing was changed.")
    if not store.is_older():
        raise Refused("the database is not older than what was seen of it.", holds="Nothing to do.")
    mark = seen(store.folder)
    project = store.info.project
    with store.connected() as connection:
        going_on = (RUNS.c.project == project, RUNS.c.status.in_(("running", "waiting")))
        of_them = STAGES.c.run_id.in_(select(RUNS.c.id).where(*going_on))
        connection.execute(
            update(STAGES)
            .where(of_them, STAGES.c.status == Status.RUNNING.value)
            .values(status=Status.LOST.value, reason=WHY, ended_at=at)
        )
        connection.execute(
            update(STAGES)
            .where(of_them, STAGES.c.status.in_(("pending", "waiting")))
            .values(status=Status.BLOCKED.value, reason=WHY)
        )
        lost = connection.execute(
            update(RUNS)
            .where(*going_on)
            .values(status=RunStatus.LOST.value, reason=WHY, ended_at=at)
        ).rowcount
        connection.execute(
            update(LEASES)
            .where(LEASES.c.project == project)
            .values(token=LEASES.c.token + FAR_ABOVE, held=False, beneath=None)
        )
        connection.execute(
            update(IN_PLACE)
            .where(IN_PLACE.c.project == project, func.length(IN_PLACE.c.inputs_digest) > 0)
            .values(inputs_digest=literal("restored ").concat(IN_PLACE.c.inputs_digest))
        )
        tx = StoreTransaction(connection, project=project, writable=True)
        body = {"why": why, "missing": mark["number"] if mark else 0, "lost_runs": lost}
        tx.audit(actor=by, verb="store.restored", subject=project, at=at, body=body)
    forget(store.folder)
    if tx.last_act is not None:
        note(store.folder, tx.last_act)
    return lost
