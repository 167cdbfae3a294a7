"""Calls that a retry carries over keep the subtask they first began under: their idempotency key."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("journal", sa.Column("origin", sa.String(length=40), nullable=True))


def downgrade() -> None:
    op.drop_column("journal", "origin")
