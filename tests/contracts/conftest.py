"""A store of each kind: SQLite in a file, SQLite in memory, PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.store.opening import init_store, memory_store
from orchestrator.store.store import DatabaseStore
from tests.needs import needs_postgres
from tests.postgres import Postgres
from tests.store.samples import AT, write_key

KINDS = ["sqlite", "memory", pytest.param("postgresql", marks=needs_postgres)]


@pytest.fixture(params=KINDS)
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DatabaseStore]:
    monkeypatch.setenv("ORCHESTRATOR_STATE", str(tmp_path / "state"))
    made = _made(request)
    yield made
    made.close()


def _made(request: pytest.FixtureRequest) -> DatabaseStore:
    if request.param == "memory":
        return memory_store("guestbook-1", claim=["prod"], at=AT)
    url = "local"
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        url = server.new_database()
    return init_store("guestbook-1", url, claim=["prod"], at=AT, make_key=write_key)
