"""How is an older database led to our schema? Only when a person asks, and whole or not at all."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

from orchestrator.store import folders
from orchestrator.store.identity import LOCAL
from orchestrator.store.opening import identified
from orchestrator.store.schema import HEAD, lock_schema


def upgrade_store(project_id: str, url: str = LOCAL) -> tuple[str, str]:
    """(revision before, revision now) of the project's database.

    A PostgreSQL database is led on for every project in it. Raises as `open_store` does, but for
    an older schema.
    """
    folder = folders.store_folder(project_id)
    database, info = identified(folder, project_id, url, may_be_older=True)
    try:
        if info.revision != HEAD:
            with database.write() as connection:
                lock_schema(connection)
                migrate(connection)
    finally:
        database.close()
    return info.revision, HEAD


def migrate(connection: Connection, to: str = "head") -> None:
    """Runs the missing revisions inside the connection's own transaction."""
    from alembic import command  # 0.2 s: nobody but an upgrade pays for it
    from alembic.config import Config

    config = Config()
    scripts = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)
