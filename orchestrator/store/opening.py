"""How is a store made once, and found again ever after?

Only `init_store` and `join_store` make anything, in a hidden folder beside the final one that is
renamed at the end: a store is there whole or not at all. Every refusal leaves the disk as it was.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, insert, select

from orchestrator.model.errors import Refused, StoreError, StoreMissing, StoreUnwritable, WrongStore
from orchestrator.store import folders, records
from orchestrator.store.database import (
    Database,
    open_memory,
    open_postgresql,
    open_sqlite,
    postgresql_url,
)
from orchestrator.store.repository import StoreTransaction
from orchestrator.store.schema import HEAD, check_revision, create_schema, revision_of, table
from orchestrator.store.store import DatabaseStore, StoreInfo

LOCAL = "local"
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
    with _built(folder, info, url) as draft:
        make_key(draft / folders.KEYS)
        database = _connect(draft, project_id, url, create=True)
        try:
            with database.write() as connection:
                _lay(connection, info, where=url)
                for environment in claim:
                    _claim(connection, project_id, environment, by=by, at=at)
                if url != LOCAL:
                    _move(draft, folder)  # the last act before the commit: both, or neither
        finally:
            database.close()  # SQLite folds its WAL into the file
    return _opened(folder, project_id, url, fresh=True)


def open_store(project_id: str, url: str = LOCAL) -> DatabaseStore:
    """The project's store. Makes nothing, changes nothing.

    Raises StoreMissing, WrongStore; StoreError where its schema is older or newer than ours;
    StoreUnwritable where its database does not answer.
    """
    return _opened(folders.store_folder(project_id), project_id, url, fresh=False)


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
            info = _info(connection, project_id, where=_shown(url))
    finally:
        database.close()
    if info is None:
        raise StoreMissing(
            f"{_shown(url)} carries no store of {project_id}.",
            holds="Nothing was created.",
            next="Make one with `orchestrator store init`.",
        )
    with _built(folder, info, url) as draft:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    """What store.json says."""

    store: str
    project: str
    url: str  # "local", or the URL without its password


def _opened(folder: Path, project_id: str, url: str, *, fresh: bool) -> DatabaseStore:
    about = _about(folder, project_id, url)
    database = _connect(folder, project_id, url)
    where = str(folder) if url == LOCAL else _shown(url)
    try:
        with database.read() as connection:
            info = _info(connection, project_id, where=where)
        _check_identity(about, info, where)
    except BaseException:
        database.close()
        raise
    assert info is not None  # _check_identity refused it otherwise
    return DatabaseStore(database, info, folder, fresh=fresh)


def _about(folder: Path, project_id: str, url: str) -> _About:
    """store.json, if it is of this project and of the place that is asked for."""
    try:
        told = json.loads((folder / folders.ABOUT).read_text())
        about = _About(store=told["store"], project=told["project"], url=told["url"])
    except FileNotFoundError:
        raise _missing(folder, project_id, url) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{folder / folders.ABOUT} cannot be read ({error}).",
            holds="Nothing was changed.",
            next="Restore it from a backup.",
        ) from error
    if about.project != project_id:
        raise WrongStore(
            f"{folder} is the store of project {about.project}, not of {project_id}.",
            holds="Nothing was changed.",
            next="Each project has a folder of its own; move this one back to where it belongs.",
        )
    if (about.url == LOCAL) != (url == LOCAL):
        raise WrongStore(
            f"the store of {project_id} in {folder} is {about.url}; orchestrator.yaml says "
            f"{_shown(url)}.",
            holds="Nothing was changed.",
            next=f"Write `store: {about.url}` in orchestrator.yaml.",
        )
    return about


def _missing(folder: Path, project_id: str, url: str) -> StoreMissing:
    if folder.exists():
        what = f"{folder} holds no {folders.ABOUT}: it is not a whole store of {project_id}."
    else:
        what = f"project {project_id} has no store on this machine ({folder} does not exist)."
    join = "" if url == LOCAL else " --key FILE"
    return StoreMissing(
        what,
        holds="Nothing was created.",
        next=(
            "If the project is new, make one with `orchestrator store init`. If its store is on "
            f"another machine, do not make a second one: use it there, or join it with "
            f"`orchestrator store join{join}` (PostgreSQL) or bring its folder here."
        ),
    )


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


def _info(connection: Connection, project_id: str, *, where: str) -> StoreInfo | None:
    """None where the database has no schema of ours, or not this project."""
    revision = revision_of(connection)
    if not revision:
        return None
    check_revision(revision, where)
    row = connection.execute(select(STORES).where(STORES.c.project == project_id)).first()
    if row is None:
        return None
    return StoreInfo(
        id=row.store,
        project=row.project,
        protected=row.protected,
        revision=revision,
        created_at=row.created_at,
    )


def _check_identity(about: _About, info: StoreInfo | None, where: str) -> None:
    if info is None:
        raise WrongStore(
            f"{where} does not know project {about.project}.",
            holds="Nothing was changed.",
            next="See that `store:` in orchestrator.yaml leads to the right database.",
        )
    if info.id != about.store:
        raise WrongStore(
            f"the database in {where} is store {info.id[:8]} of {about.project}; this machine's "
            f"folder belongs to store {about.store[:8]}.",
            holds="Nothing was changed.",
            next="See that `store:` in orchestrator.yaml leads to the right database.",
        )


@contextmanager
def _built(folder: Path, info: StoreInfo, url: str) -> Iterator[Path]:
    """A draft of the folder, moved to its place at the end, or gone where the body raises."""
    draft = _draft(folder)
    try:
        for name in folders.FOLDERS:
            (draft / name).mkdir(mode=folders.PRIVATE)
        told = {"store": info.id, "project": info.project, "url": _without_password(url)}
        _write(draft / folders.ABOUT, json.dumps(told, indent=2) + "\n")
        yield draft
        if draft.exists():
            _move(draft, folder)
    except OSError as error:
        raise StoreUnwritable(
            f"{folder} cannot be made ({error.strerror or error}).", holds="Nothing was created."
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _draft(folder: Path) -> Path:
    try:
        folder.parent.mkdir(mode=folders.PRIVATE, parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise StoreUnwritable(
            f"{folder} cannot be made ({error.strerror or error}).",
            holds="Nothing was created.",
            next="Make its parent writable, or set ORCHESTRATOR_STATE to another folder.",
        ) from error


def _move(draft: Path, folder: Path) -> None:
    draft.rename(folder)
    handle = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(path: Path, text: str) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _lay(connection: Connection, info: StoreInfo, *, where: str) -> None:
    """The schema, if the database has none yet, and the store's own row."""
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
            f"{_shown(where)} carries a store of {project_id} already, made "
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


def _shown(url: str) -> str:
    return url if url == LOCAL else postgresql_url(url).render_as_string(hide_password=True)


def _without_password(url: str) -> str:
    if url == LOCAL:
        return LOCAL
    return postgresql_url(url)._replace(password=None).render_as_string()
