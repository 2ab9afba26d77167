"""How is an older database led to our schema? Only when a person asks, and whole or not at all."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

from orchestrator.model.errors import StoreError
from orchestrator.store import folders, schema
from orchestrator.store.database import Database, open_postgresql, open_sqlite
from orchestrator.store.identity import LOCAL
from orchestrator.store.opening import identified

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade_store(project_id: str, url: str = LOCAL) -> tuple[str, str]:
    """(revision before, revision now) of the project's database.

    A PostgreSQL database is led on for every project in it. Raises as `open_store` does, but for
    an older schema; StoreError where the rows would not fit the new one, with nothing changed.
    """
    folder = folders.store_folder(project_id)
    checked, info = identified(folder, project_id, url, may_be_older=True)
    checked.close()
    if info.revision != schema.HEAD:
        database = _opened(folder, project_id, url)
        try:
            with database.write() as connection:
                schema.lock_schema(connection)
                migrate(connection)
                _check_references(connection)
        finally:
            database.close()
    return info.revision, schema.HEAD


def migrate(connection: Connection, to: str = "head") -> None:
    """Runs the missing revisions inside the connection's own transaction."""
    from alembic import command  # 0.2 s: nobody but an upgrade pays for it
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def _opened(folder: Path, project_id: str, url: str) -> Database:
    if url == LOCAL:
        return open_sqlite(folder / folders.DATABASE, project_id, foreign_keys=False)
    return open_postgresql(url, project_id)


def _check_references(connection: Connection) -> None:
    """What SQLite did not watch while tables were rebuilt. Raises StoreError."""
    if connection.dialect.name != "sqlite":
        return
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise StoreError(
            f"the upgrade would break references of table {broken[0]}.",
            holds="Nothing was changed.",
            next="Report this with the revision the store has.",
        )
