"""Parts of a subtask's work that its agent has delegated."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "parts",
        sa.Column("subtask_id", sa.String(length=40), nullable=False),
        sa.Column("workspace", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("parent_id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("instructions", sa.Text(), nullable=False),
        sa.Column("awaited", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("subtask_id", name=op.f("pk_parts")),
    )
    op.create_index("ix_parts_parent", "parts", ["parent_id", "number"])
    op.create_index("ix_parts_project", "parts", ["project_id"])
    op.create_index(
        "ix_parts_awaited",
        "parts",
        ["parent_id"],
        sqlite_where=sa.text("awaited = 1"),
        postgresql_where=sa.text("awaited = 1"),
    )


def downgrade() -> None:
    op.drop_table("parts")
