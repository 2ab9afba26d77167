"""Do the migrations lead to the schema of the records, and is any other schema refused?"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect
from sqlmodel import SQLModel

from orchestrator.model.errors import StoreError
from orchestrator.store import schema, upgrade
from orchestrator.store.database import Database, open_memory, open_postgresql
from orchestrator.store.opening import init_store, open_store
from orchestrator.store.schema import HEAD, REVISIONS, create_schema, revision_of
from orchestrator.store.store import DatabaseStore
from orchestrator.store.upgrade import migrate
from tests.needs import needs_postgres
from tests.postgres import Postgres
from tests.store.samples import AT, with_run, write_key

SQLITE_TEXT = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name"
POSTGRESQL_TEXT = (
    "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgname",
    "SELECT proname, prosrc FROM pg_proc WHERE proname LIKE 'audit_%%' ORDER BY proname",
    "SELECT sequencename FROM pg_sequences ORDER BY sequencename",
)


def test_sqlite_is_the_same_by_both_ways() -> None:
    """Migrations and metadata make the same tables, keys, indexes and triggers on SQLite."""
    _compare(open_memory("a"), open_memory("b"), [SQLITE_TEXT])


@needs_postgres
def test_postgresql_is_the_same_by_both_ways(postgres: Postgres) -> None:
    """Migrations and metadata make the same tables, keys, indexes and triggers on PostgreSQL."""
    one, two = (open_postgresql(postgres.new_database(), "a") for _ in range(2))
    _compare(one, two, POSTGRESQL_TEXT)


def _compare(one: Database, two: Database, texts: list[str] | tuple[str, ...]) -> None:
    with one.write() as connection:
        create_schema(connection)
        made = _described(connection, texts)
    with two.write() as connection:
        migrate(connection)
        migrated = _described(connection, texts)
        assert revision_of(connection) == HEAD
    one.close()
    two.close()
    assert migrated == made
    assert set(made["tables"]) == set(SQLModel.metadata.tables)


def _described(connection: Connection, texts: list[str] | tuple[str, ...]) -> dict[str, Any]:
    look = inspect(connection)
    tables = {
        name: {
            "columns": [{**c, "type": repr(c["type"])} for c in look.get_columns(name)],
            "key": look.get_pk_constraint(name),
            "foreign": look.get_foreign_keys(name),
            "unique": sorted(look.get_unique_constraints(name), key=str),
            "indexes": sorted(look.get_indexes(name), key=str),
        }
        for name in look.get_table_names()
    }
    said = [connection.exec_driver_sql(text).all() for text in texts]
    return {"tables": tables, "texts": said}


def test_the_known_revisions_are_those_of_alembic() -> None:
    """The list that is read without Alembic is the one that Alembic walks."""
    config = Config()
    folder = Path(schema.__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder))
    walked = ScriptDirectory.from_config(config).walk_revisions()
    assert tuple(reversed([script.revision for script in walked])) == REVISIONS


NEXT = """
import sqlalchemy as sa
from alembic import op

revision = "9000"
down_revision = "{HEAD}"


def upgrade():
    how = "always" if op.get_bind().dialect.name == "sqlite" else "never"
    with op.batch_alter_table("runs", recreate=how) as runs:
        runs.alter_column("reason", new_column_name="why")
        runs.add_column(sa.Column("weight", sa.Integer(), nullable=False, server_default="7"))
"""


class TestOtherSchemas:
    @pytest.fixture(params=["local", pytest.param("postgresql", marks=needs_postgres)])
    def url(
        self,
        request: pytest.FixtureRequest,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> str:
        monkeypatch.setenv("ORCHESTRATOR_STATE", str(tmp_path / "state"))
        if request.param == "local":
            return "local"
        server: Postgres = request.getfixturevalue("postgres")
        return server.new_database()

    @pytest.fixture
    def store(self, url: str) -> Iterator[DatabaseStore]:
        store = init_store("p1", url, at=AT, make_key=write_key)
        with_run(store)
        yield store
        store.close()

    @pytest.fixture
    def older_store(
        self, store: DatabaseStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> DatabaseStore:
        """A store of ours, looked at by a program that is one revision further."""
        migrations = tmp_path / "migrations"
        shutil.copytree(upgrade.MIGRATIONS, migrations)
        (migrations / "versions" / "r9000_next.py").write_text(NEXT.replace("{HEAD}", HEAD))
        monkeypatch.setattr(upgrade, "MIGRATIONS", migrations)
        monkeypatch.setattr(schema, "REVISIONS", (*REVISIONS, "9000"))
        monkeypatch.setattr(schema, "HEAD", "9000")
        return store

    def test_a_database_from_the_future_is_refused(self, store: DatabaseStore, url: str) -> None:
        """A schema we do not know is neither opened nor upgraded."""
        with store.connected() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        for attempt in (open_store, upgrade.upgrade_store):
            with pytest.raises(StoreError, match=r"9999.*newer.*Update the orchestrator"):
                attempt("p1", url)

    def test_an_older_database_says_so_and_is_upgraded_on_demand(
        self, older_store: DatabaseStore, url: str
    ) -> None:
        """Opening an older schema changes nothing; the upgrade keeps every row and reference."""
        with pytest.raises(StoreError, match=rf"{HEAD}.*needs 9000.*`orchestrator store upgrade`"):
            open_store("p1", url)
        assert _revision(older_store) == HEAD
        older_store.close()
        assert upgrade.upgrade_store("p1", url) == (HEAD, "9000")
        assert _revision(older_store) == "9000"
        with older_store.connected() as connection:
            assert connection.exec_driver_sql("SELECT weight FROM runs").all() == [(7,)]
            assert len(connection.exec_driver_sql("SELECT * FROM stages").all()) == 1

    def test_an_upgrade_of_a_current_store_changes_nothing(
        self, store: DatabaseStore, url: str
    ) -> None:
        """It answers with the same revision twice, and every run is still there."""
        assert upgrade.upgrade_store("p1", url) == (HEAD, HEAD)
        with store.read() as t:
            assert len(t.runs()) == 1


def _revision(store: DatabaseStore) -> str:
    with store.connected() as connection:
        return revision_of(connection)
