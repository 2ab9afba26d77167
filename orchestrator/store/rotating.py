"""Where in the database do sealed values stand, and how are they all sealed anew?

Wherever text is: a stack's key, outputs of stages, of what is in place. The audit holds none, and
may not be changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    String,
    Table,
    Text,
    TypeDecorator,
    and_,
    select,
    type_coerce,
    update,
)
from sqlmodel import SQLModel

from orchestrator.store import records
from orchestrator.store.repository import StoreTransaction
from orchestrator.store.schema import table
from orchestrator.store.store import DatabaseStore

_UNTOUCHED = (table(records.AuditRecord), table(records.RevisionRecord))


def reseal(
    store: DatabaseStore, changed: Callable[[str], str], *, verb: str, by: str, at: datetime
) -> int:
    """How many texts `changed` made another of; all in one transaction, with its audit row."""
    count = 0
    with store.connected() as connection:
        for of in SQLModel.metadata.sorted_tables:
            if of not in _UNTOUCHED:
                count += sum(_resealed(connection, of, changed))
        tx = StoreTransaction(connection, project=store.info.project, writable=True)
        body = {"values": count}
        tx.audit(actor=by, verb=verb, subject=store.info.project, at=at, body=body)
    return count


def _resealed(connection: Connection, of: Table, changed: Callable[[str], str]) -> Iterator[int]:
    keys = list(of.primary_key.columns)
    for column in of.columns:
        if column.primary_key or not _is_text(column):
            continue
        raw = type_coerce(column, Text).label("raw")  # as it stands there, whatever it means
        rows = connection.execute(select(*keys, raw).where(raw.like("%v1:%"))).all()
        for *key, text in rows:
            new = changed(text)
            if new != text:
                mine = and_(*(k == value for k, value in zip(keys, key, strict=True)))
                connection.execute(update(of).where(mine).values({column: type_coerce(new, Text)}))
                yield 1


def _is_text(column: Any) -> bool:
    """Whatever its values mean, they lie there as text."""
    kind = column.type
    return isinstance(kind.impl if isinstance(kind, TypeDecorator) else kind, String)
