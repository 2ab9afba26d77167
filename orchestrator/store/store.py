"""Who remembers? One project's store: its database, and its folder on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from orchestrator.store.database import Database
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
        """Commits at the end; rolled back where the body raises. Raises StoreUnwritable."""
        with self._database.write() as connection:
            yield StoreTransaction(connection, project=self._info.project, writable=True)

    @contextmanager
    def read(self) -> Iterator[StoreTransaction]:
        """One snapshot of the store; waits for no writer."""
        with self._database.read() as connection:
            yield StoreTransaction(connection, project=self._info.project, writable=False)

    def connected(self) -> AbstractContextManager[Connection]:
        """A write transaction below the ports, for this room's own use."""
        return self._database.write()

    def close(self) -> None:
        """Ends its connections. It may be used again."""
        self._database.close()
