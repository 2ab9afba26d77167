"""On which machine was a run driven last? There its attempts are.

Of a run that was under way before nobody knows; it counts as this machine's, as before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("machine", sa.Text(), nullable=True))


def downgrade() -> None:
    raise NotImplementedError("a store is never led back: restore a backup")
