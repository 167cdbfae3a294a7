"""What a workspace remembers of its work, with the changes of it, and who remembers a project.

Projects that had succeeded before are not remembered afterwards.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "memories",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("workspace", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("trust", sa.String(64), nullable=False),
        sa.Column("status", sa.String(64), nullable=False),
        sa.Column("superseded_by", sa.String(40), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("sources", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memories")),
    )
    op.create_index("ix_memories_workspace_created", "memories", ["workspace", "created_at", "id"])
    op.create_index("ix_memories_subject", "memories", ["workspace", "subject"])
    op.create_table(
        "memory_changes",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("workspace", sa.String(64), nullable=False),
        sa.Column("memory_id", sa.String(40), nullable=False),
        sa.Column("act", sa.String(64), nullable=False),
        sa.Column("author", sa.String(40), nullable=False),
        sa.Column("data", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_memory_changes")),
    )
    op.create_index("ix_memory_changes_memory", "memory_changes", ["memory_id", "number"])
    op.add_column("projects", sa.Column("remembered_by", sa.String(40), nullable=True))
    op.execute("UPDATE projects SET remembered_by = '' WHERE status = 'succeeded'")
    op.create_index(
        "ix_projects_remembered",
        "projects",
        ["remembered_by"],
        sqlite_where=sa.text("status = 'succeeded'"),
        postgresql_where=sa.text("status = 'succeeded'"),
    )


def downgrade() -> None:
    op.drop_index("ix_projects_remembered", "projects")
    with op.batch_alter_table("projects") as table:
        table.drop_column("remembered_by")
    op.drop_table("memory_changes")
    op.drop_table("memories")
