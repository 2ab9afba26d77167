"""Pulumi writes what it does entry by entry: a state is no longer written whole at each step."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "stack_journals",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("program", sa.String(), nullable=False),
        sa.Column("stack", sa.String(), nullable=False),
        sa.Column("version", BIG, nullable=False),
        sa.Column("first", BIG, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("project", "program", "stack", "version", "first"),
    )


def downgrade() -> None:
    raise NotImplementedError("a store is never led back: restore a backup")
