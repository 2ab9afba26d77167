"""Who holds an environment, and does whoever holds it still live?

A living driver holds the lock of its run on the machine where it is; whoever plans or does another
short act holds that of run 0. Of another machine's processes nobody here can tell: they count as
living until their lease is over, for the living renew it. A hold is a person's, and needs none.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from enum import Enum
from pathlib import Path

from orchestrator.attempts.locks import is_held
from orchestrator.model.errors import Locked
from orchestrator.model.runs import Lease, Run, RunKey, Ticket
from orchestrator.ports import Transaction
from orchestrator.services.app import App
from orchestrator.services.machine import LOCAL, machine_of

PLAN = "plan"  # the purpose of a lease under which nothing is changed
RUN = "run "  # how the purpose of a run's lease begins


class Standing(Enum):
    """Does the holder of a lease live, as seen from here?"""

    ALIVE = "alive"  # its lock is held here
    GONE = "gone"  # of this machine, and its lock is free
    ELSEWHERE = "elsewhere"  # of another machine, and its time is not over
    OVER = "over"  # its time is over
    HELD = "held"  # a person's hold


def lock_path(app: App, key: RunKey) -> Path:
    """The lock that the driver of a run holds."""
    return app.folder("attempts", key.pipeline) / f"{key.environment}-{key.number}.lock"


def plan_key(pipeline: str, environment: str) -> RunKey:
    """What a plan, or another short act, has in place of a run's key: it has no number."""
    return RunKey(pipeline, environment, 0)


def ticket_path(app: App, ticket: Ticket) -> Path:
    """The lock that a waiter of this machine holds."""
    since = f"{ticket.since:%Y%m%d%H%M%S%f}"  # SQLite may give a number again
    return app.folder("attempts", ticket.pipeline) / f"waits-{ticket.number}-{since}.lock"


def standing_of(app: App, lease: Lease) -> Standing:
    if lease.is_over(app.clock.now(), machine=machine_of(app)):
        return Standing.OVER
    if lease.is_hold:
        return Standing.HELD
    if _of_another(app, lease):
        return Standing.ELSEWHERE
    return Standing.ALIVE if is_held(lock_path(app, _key_of(lease))) else Standing.GONE


def is_driven(app: App, key: RunKey) -> bool:
    """Whether a living process drives the run, as far as one can see from here."""
    return is_elsewhere(app, key) or is_held(lock_path(app, key))


def is_elsewhere(app: App, key: RunKey) -> bool:
    """Whether another machine drives the run: its attempts are there, and its lease is not over.

    Of a broken lease they hear when they renew it: until it would have been over they may live.
    """
    where = key.pipeline, key.environment
    with app.store.read() as tx:
        lease, until = tx.lease(*where), tx.lease_lasted(*where)
        run = tx.run(key) if lease is None and key.number else None
    if run is not None:
        is_broken = not run.status.ended and bool(was_elsewhere(app, run))
        return is_broken and until is not None and app.clock.now() < until
    mine = lease is not None and lease.purpose == f"{RUN}{key}"
    return mine and lease is not None and standing_of(app, lease) is Standing.ELSEWHERE


def take(app: App, tx: Transaction, pipeline: str, environment: str, *, purpose: str) -> Lease:
    """The environment is ours from this transaction on. Raises Locked saying who holds it, and why.

    Under the caller's own hold where it said so: that one comes back afterwards.
    """
    refuse_second(app, tx, pipeline, environment, purpose)
    held = tx.lease(pipeline, environment)
    mine = held is not None and held.is_hold and app.admission.held
    ticket = app.admission.ticket
    lease = tx.take_lease(
        pipeline,
        environment,
        owner=app.actor,
        purpose=purpose,
        at=app.clock.now(),
        machine=machine_of(app),
        beneath=held.as_hold() if held is not None and mine else None,
    )
    if ticket is not None and purpose != PLAN:  # who planned still wants its turn for the run
        tx.drop_ticket(ticket.number)
    return lease


def regained(app: App, run: Run) -> Run:
    """The run under a lease of its own: the one it has, or a new one where that was broken.

    Only for whoever drives it. Raises Locked where somebody else has the environment by now. A run
    of another machine stays that one's until what was under way there is recorded as lost; that
    machine may have woken up and ended it, and then it is answered as it ended.
    """
    key = run.key
    with app.store.write() as tx:
        run = tx.run(key)
        if run.status.ended:
            return run
        here = was_elsewhere(app, run) or machine_of(app)
        lease = tx.lease(key.pipeline, key.environment)
        if lease is not None and lease.token == run.lease_token and _of_another(app, lease):
            tx.break_lease(key.pipeline, key.environment, lease.token)  # it writes nothing more
            lease = None
        if lease is None or lease.token != run.lease_token:
            lease = take(app, tx, key.pipeline, key.environment, purpose=f"{RUN}{key}")
        if (lease.token, here) != (run.lease_token, run.machine):
            run = replace(run, lease_token=lease.token, machine=here)
            tx.save_run(run)
    return run


def was_elsewhere(app: App, run: Run) -> str:
    """The machine that drove the run last, where it is another one; "" where it is this one."""
    here = machine_of(app)
    return run.machine if here != LOCAL and run.machine not in ("", here) else ""


def refuse_second(
    app: App, tx: Transaction, pipeline: str, environment: str, purpose: str = ""
) -> None:
    """Raises Locked where somebody holds the environment, or waits for it and came first.

    purpose: of whoever asks; a run that has not ended and lost its lease may go on. The lease of
    a short act whose process died, and a hold whose time is over, are taken away.
    """
    lease = tx.lease(pipeline, environment)
    if lease is not None:
        standing = standing_of(app, lease)
        _refuse_holder(app, lease, standing)
        if standing in (Standing.GONE, Standing.OVER):
            tx.release_lease(pipeline, environment, lease.token)
            # the hold beneath came back, perhaps
            refuse_second(app, tx, pipeline, environment, purpose)
            return
    else:
        _refuse_beside(app, tx, pipeline, environment, purpose)
    _refuse_waiting(app, tx, pipeline, environment)


def ahead(app: App, tx: Transaction, pipeline: str, environment: str) -> Ticket | None:
    """The first living waiter, where it is another one than the caller."""
    mine = app.admission.ticket
    for ticket in tx.tickets(pipeline, environment):
        if mine is not None and (ticket.number, ticket.since) == (mine.number, mine.since):
            return None
        if waits(app, ticket):
            return ticket
    return None


def waits(app: App, ticket: Ticket) -> bool:
    """Whether somebody still waits with it, as far as one can see from here."""
    now = app.clock.now()
    if ticket.deadline <= now:
        return False
    if ticket.machine == machine_of(app):
        return is_held(ticket_path(app, ticket))
    return now < ticket.alive_until


def person(owner: str) -> str:
    """ "ana@laptop" of "ana@laptop pid 4711"."""
    return owner.partition(" pid ")[0]


def _key_of(lease: Lease) -> RunKey:
    """The run that a lease is for; a short act has number 0."""
    if not lease.purpose.startswith(RUN):
        return plan_key(lease.pipeline, lease.environment)
    number = int(lease.purpose.rpartition("#")[2])
    return RunKey(lease.pipeline, lease.environment, number)


def _of_another(app: App, lease: Lease) -> bool:
    """A store of this machine's own knows no other."""
    here = machine_of(app)
    return here != LOCAL and lease.machine != here


def _refuse_holder(app: App, lease: Lease, standing: Standing) -> None:
    name, since = lease.environment, _shown(lease.taken_at)
    if standing is Standing.HELD:
        _refuse_held(app, lease)
    elif lease.purpose.startswith(RUN):
        raise _held_by_run(app, lease, standing)
    elif standing in (Standing.ALIVE, Standing.ELSEWHERE):
        what = "planned" if lease.purpose == PLAN else "changed"
        act = "" if lease.purpose == PLAN else f" ({lease.purpose})"
        raise Locked(
            f"{name} is being {what} by {lease.owner}{act}, since {since}.",
            holds="Nothing was started.",
            next="Wait for its end (--wait 30m queues), or end that process.",
        )


def _refuse_held(app: App, lease: Lease) -> None:
    """Whoever holds it may go on under the hold, if that is said."""
    mine = person(lease.owner) == person(app.actor)
    if mine and app.admission.held:
        return
    name = lease.environment
    until = f" until {_shown(lease.until)}" if lease.until else ""
    whose = "you hold" if mine else f"{person(lease.owner)} holds"
    raise Locked(
        f"{whose} {name}{until}: {lease.why} (since {_shown(lease.taken_at)}).",
        holds="Nothing was started.",
        next=f"Go on under your hold with --held, or end it: orchestrator hold {name} --release"
        if mine
        else f"Ask them, or wait for its end (--wait 30m queues): orchestrator lease show {name}",
    )


def _refuse_beside(
    app: App, tx: Transaction, pipeline: str, environment: str, purpose: str
) -> None:
    """A run whose lease was broken is not over by that: its attempts may live."""
    for run in tx.runs(pipeline=pipeline, environment=environment, limit=1):
        if run.status.ended or purpose == f"{RUN}{run.key}":
            continue
        name, driven = app.spoken(run.key), is_held(lock_path(app, run.key))
        how = "its controller still lives" if driven else "nobody drives it"
        raise Locked(
            f"{name} has not ended: its lease was broken, and {how}.",
            holds="Nothing was started.",
            next=f"Wait for it: orchestrator wait {name}   End it: orchestrator cancel {name}",
        )


def _refuse_waiting(app: App, tx: Transaction, pipeline: str, environment: str) -> None:
    mine, now = app.admission.ticket, app.clock.now()
    if mine is not None and mine.deadline <= now:
        raise Locked(
            f"it is {_shown(now)}; this act was to start in {environment} before "
            f"{_shown(mine.deadline)} or drop.",
            holds="Nothing was started.",
        )
    first = ahead(app, tx, pipeline, environment)
    if first is not None:
        raise Locked(
            f"{first.owner} waits for {environment} ({first.purpose}, since "
            f"{_shown(first.since)}) and came first.",
            holds="Nothing was started.",
            next="Queue behind them: --wait 30m",
        )


def _held_by_run(app: App, lease: Lease, standing: Standing) -> Locked:
    name, since = app.spoken(_key_of(lease)), _shown(lease.taken_at)
    gone = {
        Standing.GONE: " Its controller is gone; either command below takes it over.",
        Standing.OVER: f" Nothing was heard of its machine since its lease ended "
        f"({_shown(lease.until) if lease.until else ''}); either command below takes it over.",
    }.get(standing, "")
    return Locked(
        f"{lease.environment} is being changed by run {name} ({lease.owner}, since {since}).{gone}",
        holds="Nothing was started.",
        next=f"Wait for it: orchestrator wait {name}   End it: orchestrator cancel {name}",
    )


def _shown(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")
