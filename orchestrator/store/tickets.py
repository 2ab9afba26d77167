"""Who waits for an environment, and who came first?"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update

from orchestrator.model.runs import Ticket
from orchestrator.store import records
from orchestrator.store.base import Part
from orchestrator.store.schema import table

TICKETS = table(records.TicketRecord)


class Tickets(Part):
    def add_ticket(
        self,
        pipeline: str,
        environment: str,
        *,
        owner: str,
        machine: str,
        purpose: str,
        at: datetime,
        deadline: datetime,
        alive_until: datetime,
    ) -> Ticket:
        """Behind all that wait for the environment already."""
        values = {
            "project": self._project,
            "pipeline": pipeline,
            "environment": environment,
            "owner": owner,
            "machine": machine,
            "purpose": purpose,
            "since": at,
            "deadline": deadline,
            "alive_until": alive_until,
        }
        self._change(insert(TICKETS), values)
        mine = select(func.max(TICKETS.c.id)).where(TICKETS.c.project == self._project)
        number = self._scalar(mine)  # a project's writers follow one another
        return Ticket(
            number=number,
            pipeline=pipeline,
            environment=environment,
            owner=owner,
            machine=machine,
            purpose=purpose,
            since=at,
            deadline=deadline,
            alive_until=alive_until,
        )

    def tickets(self, pipeline: str, environment: str) -> tuple[Ticket, ...]:
        """Whoever came first comes first; dead ones as well."""
        here = select(TICKETS).where(*self._in(TICKETS, pipeline, environment))
        return tuple(_ticket(row) for row in self._rows(here.order_by(TICKETS.c.id)))

    def all_tickets(self) -> tuple[Ticket, ...]:
        """Of every environment; dead ones as well."""
        here = select(TICKETS).where(TICKETS.c.project == self._project)
        return tuple(_ticket(row) for row in self._rows(here.order_by(TICKETS.c.id)))

    def renew_ticket(self, number: int, alive_until: datetime) -> None:
        """Nothing where it was dropped."""
        self._change(update(TICKETS).where(*self._numbered(number)), {"alive_until": alive_until})

    def drop_ticket(self, number: int) -> None:
        self._change(delete(TICKETS).where(*self._numbered(number)))

    def _numbered(self, number: int) -> tuple[Any, ...]:
        return (TICKETS.c.project == self._project, TICKETS.c.id == number)


def _ticket(row: Row[Any]) -> Ticket:
    return Ticket(
        number=row.id,
        pipeline=row.pipeline,
        environment=row.environment,
        owner=row.owner,
        machine=row.machine,
        purpose=row.purpose,
        since=row.since,
        deadline=row.deadline,
        alive_until=row.alive_until,
    )
