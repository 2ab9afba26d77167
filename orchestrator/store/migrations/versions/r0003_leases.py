"""Until when does a lease last, who waits for it, and what does it cover?

A lease that was held before has no time and no machine: only `lease break` or its own run ends it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("leases", sa.Column("machine", sa.Text(), nullable=True))
    op.add_column("leases", sa.Column("until", sa.Text(), nullable=True))
    op.add_column("leases", sa.Column("beneath", sa.Text(), nullable=True))
    op.create_table(
        "tickets",
        sa.Column("id", BIG, nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("pipeline", sa.String(), nullable=False),
        sa.Column("environment", sa.String(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("since", sa.Text(), nullable=False),
        sa.Column("deadline", sa.Text(), nullable=False),
        sa.Column("alive_until", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("tickets_queue", "tickets", ["project", "pipeline", "environment", "id"])
    op.create_table(
        "covered",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("thing", sa.String(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("pipeline", sa.String(), nullable=False),
        sa.Column("environment", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("project", "thing"),
    )


def downgrade() -> None:
    raise NotImplementedError("a store is never led back: restore a backup")
