"""Subtasks that are not announced, in the very order in which they will be.

Those of one transaction may share their time: without the id each top-up would sort them all.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

NAME = "ix_subtasks_unannounced"
WAITING = sa.text("status = 'queued' AND announced_at IS NULL")


def _order_by(*columns: str) -> None:
    op.drop_index(NAME, "subtasks")
    op.create_index(
        NAME,
        "subtasks",
        ["project_id", *columns],
        sqlite_where=WAITING,
        postgresql_where=WAITING,
    )


def upgrade() -> None:
    _order_by("priority", "run_at", "id")


def downgrade() -> None:
    _order_by("priority", "run_at")
