"""Which schema does a database have, and how is ours made in an empty one?

A new store is made from the metadata, which takes no import of Alembic; a test proves that the
migrations lead to the same. An older one is led here by `upgrade.py` only, never on opening.
"""

from __future__ import annotations

from sqlalchemy import Connection, Table, insert, inspect, select
from sqlmodel import SQLModel

from orchestrator.model.errors import StoreError
from orchestrator.store import records
from orchestrator.store.triggers import triggers_of

REVISIONS = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
)  # oldest first; each has its file in migrations/versions
HEAD = REVISIONS[-1]


def table(record: type[SQLModel]) -> Table:
    """The table of a record, for statements that need no object per row."""
    return SQLModel.metadata.tables[str(record.__tablename__)]


def create_schema(connection: Connection) -> None:
    """Every table, index and trigger; the database stands at HEAD."""
    SQLModel.metadata.create_all(connection, checkfirst=False)
    for statement in triggers_of(connection.dialect.name):
        connection.exec_driver_sql(statement)
    connection.execute(insert(table(records.RevisionRecord)), {"version_num": HEAD})


def lock_schema(connection: Connection) -> None:
    """Until the transaction ends, nobody else makes or changes tables: projects share them."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('orchestrator schema'))")


def revision_of(connection: Connection) -> str:
    """The revision a database stands at; empty where it has no schema of ours."""
    versions = table(records.RevisionRecord)
    if not inspect(connection).has_table(versions.name):
        return ""
    return connection.execute(select(versions.c.version_num)).scalar_one_or_none() or ""


def check_revision(found: str, where: str) -> None:
    """Nothing where the schema is ours. Raises StoreError where it is older, newer or unknown."""
    if found == HEAD:
        return
    if found in REVISIONS:
        raise StoreError(
            f"the store in {where} has schema {found}; this orchestrator needs {HEAD}.",
            holds="Nothing was changed.",
            next="Run `orchestrator store upgrade` when no run is going on.",
        )
    raise StoreError(
        f"the store in {where} has schema {found or 'none'}, which this orchestrator "
        f"(schema {HEAD}) does not know: a newer one made it.",
        holds="Nothing was changed.",
        next="Update the orchestrator on this machine.",
    )
