"""Where do the states of stacks lie? Tables of their own, new in this revision."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "deployments",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("project", "digest"),
    )
    op.create_table(
        "stacks",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("program", sa.String(), nullable=False),
        sa.Column("stack", sa.String(), nullable=False),
        sa.Column("pipeline", sa.String(), nullable=False),
        sa.Column("environment", sa.String(), nullable=False),
        sa.Column("version", BIG, nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("active", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.Text(), nullable=False),
        sa.Column("removed_at", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("project", "program", "stack"),
    )
    op.create_table(
        "stack_versions",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("program", sa.String(), nullable=False),
        sa.Column("stack", sa.String(), nullable=False),
        sa.Column("version", BIG, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("result", sa.String(), nullable=False),
        sa.Column("run", sa.String(), nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("token", BIG, nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("resources", sa.Integer(), nullable=False),
        sa.Column("pending", sa.Integer(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("project", "program", "stack", "version"),
    )
    op.create_index("stack_versions_digest", "stack_versions", ["project", "digest"])


def downgrade() -> None:
    raise NotImplementedError("a store is never led back: restore a backup")
