"""What a task ran as before a retry, apart from what it runs as now; indexes for progress and for sweeping."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tasks", sa.Column("earlier_subtask_id", sa.String(length=40), nullable=True))
    op.execute(
        "UPDATE tasks SET earlier_subtask_id = subtask_id, subtask_id = NULL "
        "WHERE status = 'pending' AND subtask_id IS NOT NULL AND NOT EXISTS "
        "(SELECT 1 FROM subtasks WHERE subtasks.id = tasks.subtask_id "
        "AND subtasks.status = 'queued')"
    )
    op.create_index(
        "ix_tasks_progress",
        "tasks",
        ["project_id", "phase", "status", "subtask_id"],
        unique=False,
    )
    op.create_index("ix_idempotency_keys_created", "idempotency_keys", ["created_at"], unique=False)
