"""How is an environment held for as long as a process works in it?"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.attempts.locks import FileLock
from orchestrator.model.errors import Locked, OrchestratorError
from orchestrator.model.runs import LEASE_LASTS, RENEW_EVERY, Lease
from orchestrator.services.app import App
from orchestrator.services.holding import lock_path, plan_key, take


@contextmanager
def held_for(app: App, pipeline: str, environment: str, *, purpose: str) -> Iterator[Lease]:
    """The environment is ours meanwhile; whoever kills us leaves a lease that counts for nothing.

    For acts that are no runs: a plan, the restoring of a stack. Raises Locked.
    """
    with app.store.write() as tx:
        lease = take(app, tx, pipeline, environment, purpose=purpose)
        lock = FileLock.taken(lock_path(app, plan_key(pipeline, environment)))
        if lock is None:
            raise Locked(
                f"another process is about to begin in {environment}.",
                holds="Nothing was started.",
                next="Try again.",
            )
    over = threading.Event()
    renewing = threading.Thread(target=_renew, args=(app, lease, over), daemon=True)
    renewing.start()
    try:
        yield lease
    finally:
        over.set()
        renewing.join()
        lock.close()
        with app.store.write() as tx:
            tx.release_lease(pipeline, environment, lease.token)


def _renew(app: App, lease: Lease, over: threading.Event) -> None:
    """A renewal that is refused is not ours to tell: every write under the token is refused too."""
    while not over.wait(RENEW_EVERY.total_seconds()):
        until = app.clock.now() + LEASE_LASTS
        try:
            with app.store.write() as tx:
                tx.renew_lease(lease.pipeline, lease.environment, lease.token, until=until)
        except OrchestratorError:
            continue
