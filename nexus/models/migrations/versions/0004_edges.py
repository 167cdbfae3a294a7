"""The index of what feeds a task holds all that is asked of it: SQLite scans the project else."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_edges_project_target", "edges")
    op.create_index("ix_edges_project_target", "edges", ["project_id", "target", "data"])


def downgrade() -> None:
    op.drop_index("ix_edges_project_target", "edges")
    op.create_index("ix_edges_project_target", "edges", ["project_id", "target"])
