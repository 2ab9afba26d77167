"""How does Alembic run here? On the connection it is handed, inside that one's transaction.

A batch on SQLite builds the table anew: its triggers (those of `audit`) must be made again.
"""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

from orchestrator.store import records  # fills the metadata

assert records.StoreRecord.metadata is SQLModel.metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,  # SQLite cannot alter most things in place
    transactional_ddl=True,  # on both: a revision is done whole or not at all
)
with context.begin_transaction():
    context.run_migrations()
