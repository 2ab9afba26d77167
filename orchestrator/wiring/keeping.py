"""Who renews a run's lease when its controller is dead or stopped? Its attempts, while they work.

Only where several machines share a store: on one machine locks tell who lives. No attempt begins
without asking, for its controller may have stood still since it recorded the start; and none works
on once nobody can be sure any more that the lease is still its run's.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping

from orchestrator.model.errors import Fenced, OrchestratorError
from orchestrator.model.events import LogLine
from orchestrator.model.runs import LEASE_LASTS, RENEW_EVERY
from orchestrator.model.work import Work
from orchestrator.ports import Report
from orchestrator.wiring.clock import SystemClock
from orchestrator.wiring.store_access import received

ASK_AGAIN = 5.0  # seconds, while the database does not answer
MARGIN = 20.0  # seconds before the end of a lease in which the tool is ended


def keeping_from(variables: Mapping[str, str]) -> Callable[[Work, Report], Callable[[], None]]:
    """What an attempt asks before its work and does beside it. variables: as for `states_from`."""
    url, libpq = received(variables)

    def begin(work: Work, report: Report) -> Callable[[], None]:
        """Raises Fenced, and StoreError where nobody can tell; then nothing may be started."""
        if not url or not work.lease_token:
            return lambda: None

        def renew() -> None:
            _renew(work, url, libpq)

        first_kept(renew)
        return lambda: keep_lease(work, renew, report)

    return begin


def first_kept(
    renew: Callable[[], None],
    *,
    pause: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> None:
    """The lease is the run's. A database that does not answer is asked for RENEW_EVERY."""
    patience = now() + RENEW_EVERY.total_seconds()
    while True:
        try:
            renew()
        except Fenced:
            raise
        except OrchestratorError:
            if now() >= patience:
                raise
            pause(ASK_AGAIN)
        else:
            return


def keep_lease(
    work: Work,
    renew: Callable[[], None],
    report: Report,
    *,
    pause: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> None:
    """Renews now and then; the tool is told to end where the lease is another's, or may be soon.

    The latter where the database has not answered for as long as a lease lasts: another machine
    may see it quite well, and take the run over.
    """
    lasts = LEASE_LASTS.total_seconds() - MARGIN
    sure_until, wait = now() + lasts, RENEW_EVERY.total_seconds()
    while True:
        pause(wait)
        asked = now()
        try:
            renew()
        except Fenced as error:
            _end(work, report, str(error))
            return
        except OrchestratorError as error:
            if now() >= sure_until:
                _end(work, report, f"{error} The run's lease may be another's by now.")
                return
            wait = ASK_AGAIN
        else:
            sure_until, wait = asked + lasts, RENEW_EVERY.total_seconds()


def _end(work: Work, report: Report, why: str) -> None:
    report(LogLine(text=f"the tool is ended: {why}", stream="tool", severity="error"))
    work.cancel.ask(harder=True)


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
