"""How does an act wait for its turn? First come, first served: start before a deadline, or drop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta

from orchestrator.attempts.locks import FileLock
from orchestrator.model.errors import Locked
from orchestrator.model.runs import LEASE_LASTS, RENEW_EVERY, Ticket
from orchestrator.services.app import Admission, App
from orchestrator.services.holding import (
    is_driven,
    refuse_second,
    ticket_path,
    waits,
)
from orchestrator.services.machine import machine_of

LOOK_EVERY = 0.5  # seconds


@contextmanager
def queued(
    app: App,
    pipeline: str,
    environment: str,
    *,
    purpose: str,
    patience: timedelta,
    say: Callable[[str], None],
) -> Iterator[App]:
    """The app of whoever's turn it is now, for the environment; the turn is over at the end.

    purpose: "up dev". say: told whom it waits for, whenever that changes. Raises Locked where the
    deadline comes first: nothing was started.
    """
    ticket = _ticket(app, pipeline, environment, purpose, patience)
    path = ticket_path(app, ticket)
    lock = FileLock.taken(path)
    if lock is None:
        raise AssertionError(f"{path} is another one's")
    mine = replace(app, admission=Admission(held=app.admission.held, ticket=ticket))
    try:
        with closing(lock):
            _wait(mine, ticket, say)
            yield mine
    finally:
        with app.store.write() as tx:
            tx.drop_ticket(ticket.number)
        path.unlink(missing_ok=True)


def _ticket(app: App, pipeline: str, environment: str, purpose: str, patience: timedelta) -> Ticket:
    """Whoever died waiting is taken out of the queue meanwhile."""
    now = app.clock.now()
    with app.store.write() as tx:
        for left in tx.tickets(pipeline, environment):
            if not waits(app, left):
                tx.drop_ticket(left.number)
                ticket_path(app, left).unlink(missing_ok=True)
        return tx.add_ticket(
            pipeline,
            environment,
            owner=app.actor,
            machine=machine_of(app),
            purpose=purpose,
            at=now,
            deadline=now + patience,
            alive_until=now + LEASE_LASTS,
        )


def _wait(app: App, ticket: Ticket, say: Callable[[str], None]) -> None:
    said, renew_at = "", app.clock.now() + RENEW_EVERY
    while (why := _in_the_way(app, ticket)) is not None:
        now = app.clock.now()
        if now >= ticket.deadline:
            raise Locked(
                f"{ticket.purpose} was to start before {ticket.deadline:%H:%M:%S} UTC or drop, "
                f"and still: {why.what}",
                holds="Nothing was started.",
                next=why.next,
            ) from why
        if why.what != said:
            said = why.what
            say(f"{said} Waiting until {ticket.deadline:%Y-%m-%d %H:%M:%S} UTC.")
        if now >= renew_at:
            renew_at = now + RENEW_EVERY
            with app.store.write() as tx:
                tx.renew_ticket(ticket.number, now + LEASE_LASTS)
        time.sleep(LOOK_EVERY)


def _in_the_way(app: App, ticket: Ticket) -> Locked | None:
    """Why it is not our turn yet. A run that its controller left is ours to take over."""
    where = ticket.pipeline, ticket.environment
    with app.store.read() as tx:
        newest = tx.runs(pipeline=where[0], environment=where[1], limit=1)
    if newest and not newest[0].status.ended and not is_driven(app, newest[0].key):
        return None
    try:
        with app.store.write() as tx:
            refuse_second(app, tx, *where)
    except Locked as why:
        return why
    return None
