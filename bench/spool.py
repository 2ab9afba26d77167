"""How many events a second come from an attempt through its spool into the store?

    .venv/bin/python -m bench.spool [events]

An attempt appends (redacting, one secret known) while a driver reads and stores, as in a run; then
reading and storing alone. Goal (design 9): >= 5,000 a second, memory flat.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.attempts.spool import Spool, SpoolReader
from orchestrator.model.definitions import StageKind
from orchestrator.model.events import TaskResult
from orchestrator.model.runs import Action, Run, RunKey, RunStatus, StageRun
from orchestrator.store.opening import init_store
from orchestrator.store.store import DatabaseStore
from orchestrator.trust.redaction import KnownSecrets

KEY = RunKey(pipeline="bench", environment="dev", number=1)
LOOK_BYTES = 1 << 20


def main(count: int = 50_000) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["ORCHESTRATOR_STATE"] = name
        store = _store()
        path = folder / "events.ndjson"
        begun = time.perf_counter()
        writer = multiprocessing.Process(target=_append, args=(path, count))
        writer.start()
        _store_all(store, path, "live", count)
        writer.join()
        both = time.perf_counter() - begun
        begun = time.perf_counter()
        batches = _store_all(store, path, "afterwards", count)
        alone = time.perf_counter() - begun
        store.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{count} events, appended and stored meanwhile:      {count / both:8.0f} / s")
    print(f"{count} events, read and stored in {batches} batches:  {count / alone:8.0f} / s")
    print(f"peak memory {peak:.0f} MB (goal: >= 5000 / s, flat)")


def _append(path: Path, count: int) -> None:
    known = KnownSecrets(["of the bench, not to be told 8341"])
    spool = Spool(path, now=lambda: datetime.now(UTC), redact=known.json, hint_name="bench-none")
    for number in range(count):
        spool(
            TaskResult(
                host=f"web-{number % 50}",
                play="The guestbook, batch by batch",
                task="Copy the application",
                state="ok",
                role="app",
                file="playbooks/roles/app/tasks/main.yml:15",
                action="ansible.builtin.copy",
            )
        )
    spool.close()


def _store_all(store: DatabaseStore, path: Path, stage: str, count: int) -> int:
    """How many batches it took."""
    reader = SpoolReader(path, stage=stage, attempt=1)
    stored = batches = 0
    while stored < count:
        rows = reader.read(LOOK_BYTES)
        if not rows:
            time.sleep(0.001)
            continue
        with store.write() as tx:
            stored += tx.add_recorded(KEY, rows)
        batches += 1
    return batches


def _store() -> DatabaseStore:
    at = datetime.now(UTC)
    store = init_store("bench", at=at, make_key=Path.touch)
    run = Run(
        key=KEY,
        action=Action.APPLY,
        status=RunStatus.RUNNING,
        release="0" * 64,
        environment_digest="0" * 64,
        requested_by="bench",
        started_at=at,
    )
    stages = [
        StageRun(run=KEY, stage=name, kind=StageKind.ANSIBLE, order=order)
        for order, name in enumerate(("live", "afterwards"))
    ]
    with store.write() as tx:
        tx.add_run(run, stages)
    return store


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
