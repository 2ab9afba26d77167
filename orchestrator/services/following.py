"""How does somebody follow a run that another process drives? By reading what it stores."""

from __future__ import annotations

import time

from orchestrator.model.runs import RequestKind, Run, RunKey
from orchestrator.services.app import App
from orchestrator.services.begun import begun
from orchestrator.services.driver import Listener
from orchestrator.services.holding import is_driven
from orchestrator.services.interrupts import Interrupts
from orchestrator.services.runs import request

LOOK_EVERY = 0.2  # seconds
PAGE = 1000  # events a look


def follow(app: App, key: RunKey, *, listener: Listener, interrupts: Interrupts) -> Run | None:
    """The run as it ended, or None where its controller died meanwhile.

    Ctrl-C asks its driver, as in the driver's own terminal.
    """
    seen_events = seen_told = asked = 0
    kinds = (RequestKind.HOLD_STARTS, RequestKind.CANCEL, RequestKind.KILL)
    listener(begun(app, key))
    while True:
        driven = is_driven(app, key)  # before the look, so that nothing can come after it
        with app.store.read() as tx:
            run = tx.run(key)
            events = tx.run_events(key, after=seen_events)
            told = tx.recorded(key, after=seen_told, limit=PAGE)
        for row in told:
            seen_told = row.id
            listener(row)
        for event in events:
            seen_events = event.id
            listener(event)
        if len(told) == PAGE:  # there is more of it already
            continue
        if run.status.ended:
            return run
        if not driven:
            return None
        if asked < interrupts.count:
            asked += 1
            request(app, key, kinds[min(asked, 3) - 1])
        time.sleep(LOOK_EVERY)
