"""How is a store made once, and found again ever after?

Only `init_store` and `join_store` make anything, in a hidden folder beside the final one that is
renamed at the end: a store is there whole or not at all. Every refusal leaves the disk as it was.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, insert, select

from orchestrator.model.errors import Refused, StoreMissing
from orchestrator.store import folders, records
from orchestrator.store.database import (
    Database,
    open_memory,
    open_postgresql,
    open_sqlite,
)
from orchestrator.store.draft import built, move
from orchestrator.store.identity import LOCAL, about_in, about_of, check_identity, info_of, shown
from orchestrator.store.repository import StoreTransaction
from orchestrator.store.schema import (
    HEAD,
    check_revision,
    create_schema,
    lock_schema,
    revision_of,
    table,
)
from orchestrator.store.store import DatabaseStore, StoreInfo

STORES = table(records.StoreRecord)
CLAIMS = table(records.ClaimRecord)


def init_store(
    project_id: str,
    url: str = LOCAL,
    *,
    protected: str = "",
    claim: Sequence[str] = (),
    at: datetime,
    make_key: Callable[[Path], None],
    by: str = "",
) -> DatabaseStore:
    """The project's store on this machine, made if there was none (`fresh` says so).

    An existing store is opened and left as it is: neither `protected` nor `claim` touches it.
    make_key: writes the key file at the path it is given. by: who asks, for the audit. Raises
    Refused where the database carries the project already (another machine: join it), and what
    `open_store` raises for a store that is there.
    """
    folder = folders.store_folder(project_id)
    if folder.exists():
        return open_store(project_id, url)
    info = StoreInfo(
        id=uuid4().hex, project=project_id, protected=protected, revision=HEAD, created_at=at
    )
    with built(folder, info, url) as draft:
        make_key(draft / folders.KEYS)
        (draft / folders.KEYS).chmod(0o600)
        database = _connect(draft, project_id, url, create=True)
        try:
            with database.write() as connection:
                _lay(connection, info, where=shown(url))
                for environment in claim:
                    _claim(connection, project_id, environment, by=by, at=at)
                if url != LOCAL:
                    move(draft, folder)  # the last act before the commit: both, or neither
        finally:
            database.close()  # SQLite folds its WAL into the file
    return _opened(folder, project_id, url, fresh=True)


def open_store(project_id: str, url: str = LOCAL) -> DatabaseStore:
    """The project's store. Makes nothing, changes nothing.

    Raises StoreMissing, WrongStore; StoreError where its schema is older or newer than ours;
    StoreUnwritable where its database does not answer.
    """
    return _opened(folders.store_folder(project_id), project_id, url, fresh=False)


def open_folder(folder: Path, url: str = "") -> DatabaseStore:
    """The store that a folder belongs to, for a process that knows no project.

    url: with its password, where store.json tells it without. Raises as `open_store` does.
    """
    about = about_in(folder)
    return _opened(folder, about.project, url or about.url, fresh=False)


def join_store(project_id: str, url: str, *, key_file: Path) -> DatabaseStore:
    """This machine's folder for a PostgreSQL store that another machine made.

    key_file: a copy of that store's keys.json. Raises Refused where a folder is here already,
    StoreMissing where the database does not carry the project or the key file is absent.
    """
    folder = folders.store_folder(project_id)
    if folder.exists():
        raise Refused(f"this machine has a store of {project_id} already, in {folder}.")
    if not key_file.is_file():
        raise StoreMissing(f"there is no key file {key_file}.", holds="Nothing was created.")
    database = open_postgresql(url, project_id)
    try:
        with database.read() as connection:
            info = info_of(connection, project_id, where=shown(url))
    finally:
        database.close()
    if info is None:
        raise StoreMissing(
            f"{shown(url)} carries no store of {project_id}.",
            holds="Nothing was created.",
            next="Make one with `orchestrator store init`.",
        )
    with built(folder, info, url) as draft:
        shutil.copyfile(key_file, draft / folders.KEYS)
        (draft / folders.KEYS).chmod(0o600)
    return _opened(folder, project_id, url, fresh=True)


def claim(store: DatabaseStore, environment: str, *, by: str, at: datetime) -> None:
    """A gated environment may run from this store, by an audited act. A second time: nothing."""
    with store.connected() as connection:
        mine = (CLAIMS.c.project == store.info.project, CLAIMS.c.environment == environment)
        if connection.execute(select(CLAIMS).where(*mine)).first() is None:
            _claim(connection, store.info.project, environment, by=by, at=at)


def memory_store(
    project_id: str = "memory",
    *,
    folder: Path = Path("memory-store"),
    claim: Sequence[str] = (),
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC),
) -> DatabaseStore:
    """A store for simulations, gone with the process. `folder` is only told, never made."""
    info = StoreInfo(id=uuid4().hex, project=project_id, protected="", revision=HEAD, created_at=at)
    database = open_memory(project_id)
    with database.write() as connection:
        _lay(connection, info, where="memory")
        for environment in claim:
            _claim(connection, project_id, environment, by="", at=at)
    return DatabaseStore(database, info, folder, fresh=True)


def identified(
    folder: Path, project_id: str, url: str, *, may_be_older: bool = False
) -> tuple[Database, StoreInfo]:
    """An open database that is the right one. Raises as `open_store` does."""
    about = about_of(folder, project_id, url)
    database = _connect(folder, project_id, url)
    where = str(folder) if url == LOCAL else shown(url)
    try:
        with database.read() as connection:
            info = info_of(connection, project_id, where=where, may_be_older=may_be_older)
        return database, check_identity(about, info, where)
    except BaseException:
        database.close()
        raise


def _opened(folder: Path, project_id: str, url: str, *, fresh: bool) -> DatabaseStore:
    database, info = identified(folder, project_id, url)
    return DatabaseStore(database, info, folder, fresh=fresh)


def _connect(folder: Path, project_id: str, url: str, *, create: bool = False) -> Database:
    if url != LOCAL:
        return open_postgresql(url, project_id)
    path = folder / folders.DATABASE
    if not create and not path.exists():
        raise StoreMissing(
            f"{folder} has lost its database, {path.name}.",
            holds="Nothing was created.",
            next="Restore it from a backup.",
        )
    return open_sqlite(path, project_id, create=create)


def _lay(connection: Connection, info: StoreInfo, *, where: str) -> None:
    """The schema, if the database has none yet, and the store's own row."""
    lock_schema(connection)
    revision = revision_of(connection)
    if revision:
        check_revision(revision, where)
        _refuse_second(connection, info.project, where)
    else:
        create_schema(connection)
    values: dict[str, Any] = {
        "project": info.project,
        "store": info.id,
        "protected": info.protected,
        "created_at": info.created_at,
    }
    connection.execute(insert(STORES), values)


def _refuse_second(connection: Connection, project_id: str, where: str) -> None:
    found = connection.execute(select(STORES).where(STORES.c.project == project_id)).first()
    if found is not None:
        raise Refused(
            f"{where} carries a store of {project_id} already, made "
            f"{found.created_at:%Y-%m-%d %H:%M} UTC.",
            holds="Nothing was created.",
            next="Join it: `orchestrator store join --key FILE`, with that store's keys.json.",
        )


def _claim(
    connection: Connection, project_id: str, environment: str, *, by: str, at: datetime
) -> None:
    values = {"project": project_id, "environment": environment, "claimed_at": at}
    connection.execute(insert(CLAIMS), values)
    StoreTransaction(connection, project=project_id, writable=True).audit(
        actor=by, verb="store.claim", subject=environment, at=at, body={}
    )
