"""What of ended runs still lies about, for whoever recorded their end died before removing it?"""

from __future__ import annotations

import contextlib

from orchestrator.attempts.folder import AttemptFolder, Proof
from orchestrator.services.app import App

_LOOKED_AT = 50  # runs; a folder is left behind once in a blue moon


def swept(app: App, pipeline: str, environment: str) -> None:
    """Attempts' folders of the environment's ended runs are gone, but for what still lives."""
    with app.store.read() as tx:
        runs = tx.runs(pipeline=pipeline, environment=environment, limit=_LOOKED_AT)
    for run in runs:
        folder = app.store.folder / "attempts" / pipeline / f"{environment}-{run.key.number}"
        if not run.status.ended or not folder.is_dir():
            continue
        for path in sorted(folder.iterdir()):
            attempt = AttemptFolder(path)
            if attempt.proof() not in (Proof.LIVING, Proof.ORPHANED):
                attempt.remove()
        with contextlib.suppress(OSError):  # somebody lives on in it
            folder.rmdir()
