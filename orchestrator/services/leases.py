"""What can people do with leases? See them, hold environments, give them back, break them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from orchestrator.model.errors import NotFound, Refused
from orchestrator.model.runs import Covered, Hold, Lease, Ticket
from orchestrator.ports import Transaction
from orchestrator.services.app import App
from orchestrator.services.holding import Standing, person, refuse_second, standing_of, waits
from orchestrator.services.machine import machine_of

Where = tuple[str, str]  # pipeline, environment


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseView:
    """Who has an environment, what that covers, and who waits for it."""

    pipeline: str
    environment: str
    lease: Lease | None
    standing: Standing | None  # None: nobody has it
    covers: tuple[Covered, ...] = ()
    waiting: tuple[Ticket, ...] = ()  # first first; those that still wait


def places(app: App, environment: str = "", pipeline: str = "") -> tuple[Where, ...]:
    """(pipeline, environment) of all that is meant; nothing said means all. Raises NotFound."""
    known = app.project.environments
    if environment and environment not in known:
        names = ", ".join(known) or "none"
        raise NotFound(f"there is no environment '{environment}'; environments: {names}.")
    if pipeline and pipeline not in app.project.pipelines:
        names = ", ".join(app.project.pipelines)
        raise NotFound(f"there is no pipeline '{pipeline}'; pipelines: {names}.")
    return tuple(
        (each, name)
        for each in ((pipeline,) if pipeline else app.project.pipelines)
        for name in ((environment,) if environment else known)
    )


def lease_views(app: App, where: Sequence[Where]) -> tuple[LeaseView, ...]:
    with app.store.read() as tx:
        return tuple(_view(app, tx, each) for each in where)


def hold(
    app: App, where: Sequence[Where], *, why: str, lasts: timedelta | None
) -> tuple[Lease, ...]:
    """The environments are kept from everybody and everything else: all of them, or none.

    A hold of the same person's is renewed. lasts: None until it is given back. Raises Locked.
    """
    if not why.strip():
        raise Refused("a hold says why: --why TEXT.", holds="Nothing is held.")
    with app.store.write() as tx:
        return tuple(_held(app, tx, each, why.strip(), lasts) for each in where)


def give_back(app: App, where: Sequence[Where]) -> tuple[Lease, ...]:
    """The person's own holds there end. Raises Refused where there is none."""
    with app.store.write() as tx:
        mine = [lease for each in where if (lease := _own_hold(app, tx, each)) is not None]
        if not mine:
            names = ", ".join(dict.fromkeys(name for _, name in where))
            raise Refused(
                f"you hold nothing of {names}.",
                holds="Nothing was changed.",
                next="See who does: orchestrator lease show",
            )
        for lease in mine:
            tx.release_lease(lease.pipeline, lease.environment, lease.token)
            _tell(app, tx, lease, "hold.ended", lease.why)
    return tuple(mine)


def broken(app: App, where: Where, *, why: str, living: bool) -> Lease:
    """Nobody has the environment any more, and whoever had it writes nothing more.

    living: also where its holder lives. Raises NotFound where nobody has it, Refused where its
    holder lives, or may, and that was not said.
    """
    if not why.strip():
        raise Refused("breaking a lease needs a reason: --why TEXT.", holds="Nothing was changed.")
    with app.store.write() as tx:
        lease = tx.lease(*where)
        if lease is None:
            raise NotFound(f"nobody holds {where[1]}.", next="Nothing needs to be broken.")
        standing = standing_of(app, lease)
        if not living:
            _refuse_living(lease, standing)
        tx.break_lease(*where, lease.token)
        _tell(app, tx, lease, "lease.broken", why.strip())
    return lease


def _refuse_living(lease: Lease, standing: Standing) -> None:
    reasons = {
        Standing.ALIVE: "is at work on this machine",
        Standing.ELSEWHERE: f"is at work on another machine ({lease.machine}), as far as one sees",
    }
    if standing in reasons:
        raise Refused(
            f"{lease.owner} has {lease.environment} for {lease.purpose} and {reasons[standing]}.",
            holds="Nothing was changed.",
            next="End it (orchestrator cancel), or say --living: its tools are told to stop, and "
            "what it still writes is refused.",
        )


def _held(app: App, tx: Transaction, where: Where, why: str, lasts: timedelta | None) -> Lease:
    now = app.clock.now()
    before = _own_hold(app, tx, where)
    if before is not None and not before.as_hold().is_over(now):  # whoever waits goes on waiting
        tx.release_lease(*where, before.token)
    else:
        refuse_second(app, tx, *where)
    hold = Hold(
        owner=app.actor,
        machine=machine_of(app),
        why=why,
        taken_at=now,
        until=None if lasts is None else now + lasts,
    )
    lease = tx.take_lease(
        *where,
        owner=hold.owner,
        purpose=hold.purpose,
        at=now,
        machine=hold.machine,
        lasts=lasts,
    )
    _tell(app, tx, lease, "hold.began", why)
    return lease


def _own_hold(app: App, tx: Transaction, where: Where) -> Lease | None:
    lease = tx.lease(*where)
    if lease is None or not lease.is_hold or person(lease.owner) != person(app.actor):
        return None
    return lease


def _view(app: App, tx: Transaction, where: Where) -> LeaseView:
    lease = tx.lease(*where)
    return LeaseView(
        pipeline=where[0],
        environment=where[1],
        lease=lease,
        standing=None if lease is None else standing_of(app, lease),
        covers=tx.covered(*where) if lease is not None else (),
        waiting=tuple(ticket for ticket in tx.tickets(*where) if waits(app, ticket)),
    )


def _tell(app: App, tx: Transaction, lease: Lease, verb: str, why: str) -> None:
    until = lease.until.isoformat() if lease.is_hold and lease.until else None
    tx.audit(
        actor=app.actor,
        verb=verb,
        subject=f"{lease.pipeline}/{lease.environment}",
        at=app.clock.now(),
        body={
            "why": why,
            "purpose": lease.purpose,
            "owner": lease.owner,
            "token": lease.token,
            "until": until,
        },
    )
