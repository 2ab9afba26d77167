"""Who remembers? One project's store: its database, and its folder on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from orchestrator.model.values import Json
from orchestrator.store.database import Database
from orchestrator.store.marks import OlderDatabase, check_not_older, note, seen
from orchestrator.store.repository import StoreTransaction


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreInfo:
    """What a store says of itself."""

    id: str  # random, made once
    project: str
    protected: str  # the git ref recorded at `store init`; "" where none
    revision: str  # of the schema
    created_at: datetime


class DatabaseStore:
    """ports.Store over a database. `fresh`: it was made by this very call of `init_store`."""

    def __init__(
        self, database: Database, info: StoreInfo, folder: Path, *, fresh: bool = False
    ) -> None:
        self._database = database
        self._info = info
        self._folder = folder
        self.fresh = fresh
        self._is_known = fresh  # that the database is not older than what was seen of it

    @property
    def id(self) -> str:
        return self._info.id

    @property
    def info(self) -> StoreInfo:
        return self._info

    @property
    def folder(self) -> Path:
        return self._folder

    @contextmanager
    def write(self) -> Iterator[StoreTransaction]:
        """Commits at the end; rolled back where the body raises.

        Raises StoreUnwritable, and OlderDatabase where it was put back from a backup.
        """
        with self._database.write() as connection:
            tx = StoreTransaction(connection, project=self._info.project, writable=True)
            if not self._is_known:
                check_not_older(self._folder, self._noted(tx))
                self._is_known = True
            yield tx
        if tx.last_act is not None:
            note(self._folder, tx.last_act)

    @contextmanager
    def read(self) -> Iterator[StoreTransaction]:
        """One snapshot of the store; waits for no writer."""
        with self._database.read() as connection:
            yield StoreTransaction(connection, project=self._info.project, writable=False)

    def is_older(self) -> bool:
        """Whether the database was put back from before what this machine has seen of it."""
        with self.read() as tx:
            try:
                check_not_older(self._folder, self._noted(tx))
            except OlderDatabase:
                return True
        return False

    def _noted(self, tx: StoreTransaction) -> Mapping[str, Json] | None:
        mark = seen(self._folder)
        return None if mark is None else tx.act(mark["number"])

    def connected(self) -> AbstractContextManager[Connection]:
        """A write transaction below the ports, for this room's own use."""
        return self._database.write()

    def close(self) -> None:
        """Ends its connections. It may be used again."""
        self._database.close()
