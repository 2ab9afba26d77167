"""What of earlier acts still lies about, or still lives, on this machine?

Whoever recorded an end may have died before the attempt's folder was gone; another machine may have
taken a run over whose tools live on here; and whoever planned may have been killed.
"""

from __future__ import annotations

import contextlib
import time
from datetime import timedelta
from pathlib import Path

from orchestrator.attempts.folder import AttemptFolder, Proof
from orchestrator.model.errors import Locked
from orchestrator.model.runs import RunKey
from orchestrator.procs import end_marked
from orchestrator.services.app import App
from orchestrator.services.holding import plan_key

_LOOKED_AT = 50  # runs; something is left behind once in a blue moon
_PATIENCE = 60.0  # seconds for an attempt that is to end at once


def end_leftovers(app: App, pipeline: str, environment: str) -> None:
    """No attempt or tool of a plan or an ended run of the environment lives on here.

    Only under the environment's lease. Raises Locked.
    """
    with app.store.read() as tx:
        runs = tx.runs(pipeline=pipeline, environment=environment, limit=_LOOKED_AT)
    for key in (plan_key(pipeline, environment), *(run.key for run in runs if run.status.ended)):
        sweep(app, key)


def sweep(app: App, key: RunKey) -> None:
    """Nothing of an ended run's attempts is left, neither process nor folder. Raises Locked."""
    folder = _folder_of(app, key)
    if not folder.is_dir():
        return
    for path in sorted(folder.glob("*-*")):
        stage, _, number = path.name.rpartition("-")
        attempt = AttemptFolder(path)
        _end(attempt)
        end_marked(f"{app.store.id}:{key}/{stage}/{number}", grace=timedelta(0))
        attempt.remove()
    with contextlib.suppress(OSError):
        folder.rmdir()


def _folder_of(app: App, key: RunKey) -> Path:
    return app.store.folder / "attempts" / key.pipeline / f"{key.environment}-{key.number}"


def _end(folder: AttemptFolder) -> None:
    if folder.proof() is not Proof.LIVING:
        return
    folder.ask_cancel("kill")
    deadline = time.monotonic() + _PATIENCE
    while folder.proof() is Proof.LIVING:
        if time.monotonic() > deadline:
            raise Locked(
                f"an attempt of an earlier act does not end: {folder.path}.",
                holds="Nothing was started.",
                next="End the process that holds its attempt.lock.",
            )
        time.sleep(0.02)
