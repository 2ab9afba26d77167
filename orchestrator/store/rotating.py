"""Where in the database do sealed values stand, and how are they all sealed anew?

Wherever text is: a stack's key, outputs of stages, of what is in place. The audit holds none, and
may not be changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
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
from orchestrator.store.marks import note
from orchestrator.store.repository import StoreTransaction
from orchestrator.store.schema import table
from orchestrator.store.store import DatabaseStore

_UNTOUCHED = (table(records.AuditRecord), table(records.RevisionRecord))
RUNS = table(records.RunRecord)
_KEY_ID = re.compile(r'(?:^|"\$sealed":")v1:([0-9a-f]{8}):')  # a whole text, or a value of a body


def reseal(
    store: DatabaseStore, changed: Callable[[str], str], *, verb: str, by: str, at: datetime
) -> int:
    """How many texts `changed` made another of; all in one transaction, with its audit row."""
    count = 0
    project = store.info.project
    with store.connected() as connection:
        for of, column, key, text in _texts(connection, project):
            new = changed(text)
            if new == text:
                continue
            keys = of.primary_key.columns
            mine = and_(*(k == value for k, value in zip(keys, key, strict=True)))
            values = {column: type_coerce(new, Text)}
            connection.execute(update(of).where(mine).values(values))
            count += 1
        tx = StoreTransaction(connection, project=project, writable=True)
        tx.audit(actor=by, verb=verb, subject=project, at=at, body={"values": count})
    if tx.last_act is not None:
        note(store.folder, tx.last_act)
    return count


def key_ids(store: DatabaseStore) -> frozenset[str]:
    """The ids of all keys that something of this project is sealed with."""
    with store.connected() as connection:
        texts = _texts(connection, store.info.project)
        return frozenset(found for *_, text in texts for found in _KEY_ID.findall(text))


def _texts(connection: Connection, project: str) -> Iterator[tuple[Table, Any, list[Any], str]]:
    """(table, column, primary key, text) wherever the project has something that looks sealed."""
    for of in SQLModel.metadata.sorted_tables:
        if of in _UNTOUCHED:
            continue
        keys = list(of.primary_key.columns)
        for column in of.columns:
            if column.primary_key or not _is_text(column):
                continue
            raw = type_coerce(column, Text).label("raw")  # as it stands there, whatever it means
            rows = select(*keys, raw).where(raw.like("%v1:%"), _is_of(of, project))
            for *key, text in connection.execute(rows).all():
                yield of, column, key, text


def _is_of(of: Table, project: str) -> ColumnElement[bool]:
    """A PostgreSQL database may hold other projects, whose keys are theirs."""
    if "project" in of.columns:
        return of.c.project == project
    return of.c.run_id.in_(select(RUNS.c.id).where(RUNS.c.project == project))


def _is_text(column: Any) -> bool:
    """Whatever its values mean, they lie there as text."""
    kind = column.type
    return isinstance(kind.impl if isinstance(kind, TypeDecorator) else kind, String)
