"""Phases as rows that count what their tasks show: progress no longer counts a project's tasks.

With it goes the index that every move of a task had to keep; that of documents keeps
to the few subtasks that have one.
"""

import json
from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SHOWN: Final = (
    "pending",
    "queued",
    "running",
    "waiting",
    "succeeded",
    "failed",
    "skipped",
    "cancelled",
)
PLANS: Final = sa.text(
    "SELECT v.project_id, v.workspace, v.document FROM plan_versions v "
    "JOIN projects p ON p.id = v.project_id AND p.plan_version = v.version"
)
COUNTS: Final = sa.text(
    "SELECT phase, CASE WHEN status = 'pending' AND subtask_id IS NOT NULL THEN 'queued' "
    "ELSE status END AS shown, count(*) FROM tasks WHERE project_id = :project "
    "GROUP BY phase, shown"
)

INGESTS: Final = sa.text("document_id IS NOT NULL")


def upgrade() -> None:
    phases = op.create_table(
        "phases",
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("workspace", sa.String(length=64), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        *(sa.Column(one, sa.Integer(), nullable=False) for one in SHOWN),
        sa.PrimaryKeyConstraint("project_id", "key", name=op.f("pk_phases")),
        sqlite_with_rowid=False,
    )
    connection = op.get_bind()
    for project, workspace, document in connection.execute(PLANS).all():
        rows = _rows(connection, project, workspace, json.loads(document))
        if rows:
            connection.execute(sa.insert(phases), rows)
    op.drop_index("ix_tasks_progress", "tasks")
    op.drop_index("ix_subtasks_document", "subtasks")
    op.create_index(
        "ix_subtasks_document",
        "subtasks",
        ["document_id"],
        sqlite_where=INGESTS,
        postgresql_where=INGESTS,
    )


def _rows(
    connection: sa.Connection, project: str, workspace: str, document: Any
) -> list[dict[str, Any]]:
    counted: dict[tuple[str, str], int] = {
        (phase, shown): number
        for phase, shown, number in connection.execute(COUNTS, {"project": project})
    }
    return [
        {
            "project_id": project,
            "key": one["key"],
            "workspace": workspace,
            "place": place,
            "title": one["title"],
            **{shown: counted.get((one["key"], shown), 0) for shown in SHOWN},
        }
        for place, one in enumerate(document["phases"])
    ]


def downgrade() -> None:
    op.drop_index("ix_subtasks_document", "subtasks")
    op.create_index("ix_subtasks_document", "subtasks", ["document_id"])
    op.create_index("ix_tasks_progress", "tasks", ["project_id", "phase", "status", "subtask_id"])
    op.drop_table("phases")
