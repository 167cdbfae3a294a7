"""Subtasks that come out of others, and what becomes of an output that stays rejected."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "offshoots",
        sa.Column("subtask_id", sa.String(length=40), nullable=False),
        sa.Column("workspace", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("parent_id", sa.String(length=40), nullable=False),
        sa.Column("round", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subtask_id", name=op.f("pk_offshoots")),
    )
    op.create_index("ix_offshoots_parent", "offshoots", ["parent_id"])
    op.create_index("ix_offshoots_project", "offshoots", ["project_id"])
    op.add_column(
        "tasks",
        sa.Column("on_rejection", sa.String(length=64), nullable=False, server_default="fail"),
    )


def downgrade() -> None:
    op.drop_column("tasks", "on_rejection")
    op.drop_table("offshoots")
