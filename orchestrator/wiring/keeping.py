"""Who renews a run's lease when its controller is dead or stopped? Its attempts, while they work.

Only where several machines share a store: on one machine locks tell who lives.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping

from orchestrator.model.errors import Fenced, OrchestratorError
from orchestrator.model.runs import LEASE_LASTS, RENEW_EVERY
from orchestrator.model.work import Work
from orchestrator.wiring.clock import SystemClock
from orchestrator.wiring.store_access import received


def keeping_from(variables: Mapping[str, str]) -> Callable[[Work], None]:
    """What an attempt does beside its work. variables: as for `states_from`."""
    url, libpq = received(variables)

    def keep(work: Work) -> None:
        if url and work.lease_token:
            keep_lease(work, lambda: _renew(work, url, libpq), pause=_pause)

    return keep


def keep_lease(work: Work, renew: Callable[[], None], *, pause: Callable[[], None]) -> None:
    """Renews after each pause; where the lease is another's by now, the tool is told to stop.

    A database that cannot be reached is asked again after the next pause.
    """
    while True:
        pause()
        try:
            renew()
        except Fenced:
            work.cancel.ask(harder=True)
            return
        except OrchestratorError:
            continue


def _pause() -> None:
    time.sleep(RENEW_EVERY.total_seconds())


def _renew(work: Work, url: str, libpq: Mapping[str, str]) -> None:
    """Over a connection of its own that stays open for no tool to inherit. Raises Fenced."""
    from orchestrator.store.opening import open_folder  # the database's libraries: 0.3 s, if ever

    os.environ.update(libpq)  # executors pass on what is listed, and these are not
    store = open_folder(work.cache.parent, url)
    until = SystemClock().now() + LEASE_LASTS
    try:
        with store.write() as tx:
            tx.renew_lease(work.run.pipeline, work.run.environment, work.lease_token, until=until)
    finally:
        store.close()
