"""How is the database opened, and what makes a transaction hold?

Writers of a project follow one another. SQLite: every write is BEGIN IMMEDIATE, so a writer waits
at its beginning (busy_timeout) instead of failing in the middle. PostgreSQL: every write first
takes an advisory lock of its project, held until its end: the same meaning. It runs READ COMMITTED
on purpose: there each statement sees what was committed before the lock was ours, while a
transaction-wide snapshot would have been taken before the wait. Reads have a snapshot of their own
on both, wait for nobody and hold up nobody.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    QueuePool,
    StaticPool,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.exc import ArgumentError, DBAPIError

from orchestrator.model.errors import UsageError
from orchestrator.store.failures import failure_of

LOCK_WAIT_S = 5
_BEGIN = "orchestrator_begin"


class Database:
    """An engine, and the two ways to begin. Threads and forked children may share one."""

    def __init__(self, engine: Engine, *, where: str, project: str) -> None:
        self._engine = engine
        self._where = where
        self._lock_number = _lock_number(project)
        self._pid = os.getpid()
        # One connection cannot hold two transactions: a database in memory has only this one.
        self._turn = threading.RLock() if isinstance(engine.pool, StaticPool) else None

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Commits at the end, rolls back where the body raises. Raises StoreUnwritable."""
        with self._begun("BEGIN IMMEDIATE", {}) as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(_TAKE_TURN, {"number": self._lock_number})
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One snapshot. Raises StoreUnwritable where the database does not answer."""
        with self._begun("BEGIN", _SNAPSHOT) as connection:
            yield connection

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _begun(self, begin: str, snapshot: dict[str, Any]) -> Iterator[Connection]:
        self._forget_parents_connections()
        options: dict[str, Any] = {_BEGIN: begin, "preserve_rowcount": True}  # for INSERT too
        if self._engine.dialect.name == "postgresql":
            options.update(snapshot)
        with self._in_turn():
            try:
                connected = self._engine.connect().execution_options(**options)
                with connected as connection, connection.begin():
                    yield connection
            except DBAPIError as error:
                failure = failure_of(error, where=self._where, waited=LOCK_WAIT_S)
                if failure is None:
                    raise
                raise failure from error

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        if self._turn is None:
            yield
            return
        with self._turn:
            yield

    def _forget_parents_connections(self) -> None:
        """SQLite must not be carried through a fork, and two processes cannot share a socket."""
        if self._pid != os.getpid():
            self._engine.dispose(close=False)
            self._pid = os.getpid()


def open_sqlite(
    path: Path, project: str, *, create: bool = False, foreign_keys: bool = True
) -> Database:
    """The database in a file; a missing file is not made unless `create` says so.

    foreign_keys: off only while tables are rebuilt, for SQLite would empty those that refer to one.
    """
    if create:
        path.touch(mode=0o600)
    address = f"file:{quote(str(path))}?mode=rw"
    engine = create_engine(
        "sqlite+pysqlite://",
        creator=lambda: sqlite3.connect(address, uri=True, check_same_thread=False),
        poolclass=QueuePool,
        hide_parameters=True,
    )
    _teach_sqlite(engine, foreign_keys=foreign_keys)
    return Database(engine, where=str(path), project=project)


def open_memory(project: str) -> Database:
    """An empty database in memory, gone with the process."""
    engine = create_engine(
        "sqlite+pysqlite://",
        poolclass=StaticPool,
        connect_args={"check_same_thread": False},
        hide_parameters=True,
    )
    _teach_sqlite(engine)
    return Database(engine, where="memory", project=project)


def open_postgresql(url: str, project: str) -> Database:
    """A PostgreSQL database; psycopg is imported here only. Raises UsageError for another URL."""
    address = postgresql_url(url)
    engine = create_engine(
        address, connect_args={"connect_timeout": 10}, hide_parameters=True, pool_pre_ping=True
    )
    event.listen(engine, "connect", _set_up_postgresql)
    return Database(engine, where=public_url(address), project=project)


def postgresql_url(url: str) -> URL:
    """The URL with our driver. Raises UsageError where it is no PostgreSQL URL."""
    try:
        address = make_url(url)
    except ArgumentError as error:
        raise UsageError("a store is `local` or a URL like postgresql://host/database.") from error
    if address.get_backend_name() != "postgresql":
        raise UsageError(
            f"a store is `local` or a PostgreSQL URL; {address.drivername}:// is neither."
        )
    return address.set(drivername="postgresql+psycopg")


def public_url(address: URL) -> str:
    """Its text without the passwords in login and query; libpq takes both."""
    open_part = address.difference_update_query(["password", "sslpassword"])
    return open_part._replace(password=None).render_as_string()


_TAKE_TURN = text("SELECT pg_advisory_xact_lock(:number)")
_SNAPSHOT = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


def _lock_number(project: str) -> int:
    """The key of a project's advisory lock: signed 64 bits."""
    digest = sha256(f"orchestrator store {project}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _teach_sqlite(engine: Engine, *, foreign_keys: bool = True) -> None:
    event.listen(engine, "connect", partial(_set_up_sqlite, foreign_keys=foreign_keys))
    event.listen(engine, "begin", _begin_sqlite)


def _set_up_sqlite(connection: sqlite3.Connection, _: object, *, foreign_keys: bool) -> None:
    connection.isolation_level = None  # else the driver begins on its own, and too late
    for pragma in (
        f"busy_timeout={LOCK_WAIT_S * 1000}",
        "journal_mode=WAL",
        "synchronous=FULL",
        f"foreign_keys={'ON' if foreign_keys else 'OFF'}",
        "trusted_schema=OFF",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))


def _set_up_postgresql(connection: Any, _: object) -> None:
    """Whoever dies in mid-transaction frees its lock; whoever waits too long says so."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '{LOCK_WAIT_S}s'")
        cursor.execute("SET idle_in_transaction_session_timeout = '60s'")
        cursor.execute("SET timezone = 'UTC'")
    connection.commit()
