"""Projects, their plan versions, tasks, graph and events."""

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from nexus.models.columns import (
    Count,
    Id,
    Json,
    LongText,
    MaybeRef,
    MaybeText,
    MaybeTimeUs,
    Name,
    Pico,
    Ref,
    Table,
    TimeUs,
    Word,
    Workspace,
)


class Project(Table):
    """A goal, its run and its spend. `seq` is the number of its last event."""

    __tablename__ = "projects"
    __table_args__ = (
        Index("ix_projects_workspace_created", "workspace", "created_at", "id"),
        Index("ix_projects_status", "status"),
        Index(
            "ix_projects_budgeted",
            "status",
            sqlite_where=text("budget IS NOT NULL"),
            postgresql_where=text("budget IS NOT NULL"),
        ),
        Index(
            "ix_projects_remembered",
            "remembered_by",
            sqlite_where=text("status = 'succeeded'"),
            postgresql_where=text("status = 'succeeded'"),
        ),
    )

    id: Mapped[Id]
    workspace: Mapped[Workspace]
    name: Mapped[Name]
    goal: Mapped[LongText]
    status: Mapped[Word]
    plan_version: Mapped[Count]
    auto_execute: Mapped[bool]
    model: Mapped[MaybeText]
    approvals: Mapped[Word] = mapped_column(server_default="outward")  # what a person allows
    document_ids: Mapped[Json]  # None: every ready document of the workspace
    error: Mapped[Json]
    # `metadata` is taken by SQLAlchemy's declarative base.
    labels: Mapped[Json]
    budget: Mapped[Json]
    budget_told: Mapped[Json]  # what was said of the budget, so that it is said once
    ran_us: Mapped[Count]  # time in planning and running, without the present spell
    moved_at: Mapped[TimeUs]  # since when it is in its state
    requests: Mapped[Count]
    input_tokens: Mapped[Count]
    output_tokens: Mapped[Count]
    cost_pico_usd: Mapped[Pico]
    unpriced_requests: Mapped[Count]  # calls whose price is unknown
    tasks_total: Mapped[Count]
    tasks_open: Mapped[Count]  # tasks of the plan that are not terminal
    tasks_succeeded: Mapped[Count]
    seq: Mapped[Count]
    remembered_by: Mapped[MaybeRef]  # the subtask that takes it into memory, '' for none
    created_at: Mapped[TimeUs]
    started_at: Mapped[MaybeTimeUs]
    finished_at: Mapped[MaybeTimeUs]
    updated_at: Mapped[TimeUs]


class PlanVersion(Table):
    """A version of a project's plan document."""

    __tablename__ = "plan_versions"

    project_id: Mapped[Ref] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    workspace: Mapped[Workspace]
    document: Mapped[Json]
    author: Mapped[Word]  # user or manager
    created_at: Mapped[TimeUs]


class Replan(Table):
    """Why the ManagerAgent was asked to amend a plan; `comment` is what a person asked for."""

    __tablename__ = "replans"
    __table_args__ = (Index("ix_replans_project", "project_id"),)

    subtask_id: Mapped[Ref] = mapped_column(primary_key=True)
    project_id: Mapped[Ref]
    workspace: Mapped[Workspace]
    because: Mapped[Word]  # requested, task_failed, task_rejected or stalled
    comment: Mapped[MaybeText]
    created_at: Mapped[TimeUs]


class Phase(Table):
    """A phase of the newest plan, in its place, and how many of its tasks show which status."""

    __tablename__ = "phases"
    __table_args__ = ({"sqlite_with_rowid": False},)

    project_id: Mapped[Ref] = mapped_column(primary_key=True)
    key: Mapped[Word] = mapped_column(primary_key=True)
    workspace: Mapped[Workspace]
    place: Mapped[int]
    title: Mapped[Name]
    pending: Mapped[int]
    queued: Mapped[int]
    running: Mapped[int]
    waiting: Mapped[int]
    succeeded: Mapped[int]
    failed: Mapped[int]
    skipped: Mapped[int]
    cancelled: Mapped[int]


class Task(Table):
    """A task of a project, by key; it survives plan versions.

    `node` is its place in the graph, −1 when the newest plan does not have it.
    """

    __tablename__ = "tasks"
    __table_args__ = (
        Index("uq_tasks_project_key", "project_id", "key", unique=True),
        Index("ix_tasks_project_node", "project_id", "node"),
    )

    id: Mapped[Id]
    workspace: Mapped[Workspace]
    project_id: Mapped[Ref]
    key: Mapped[Word]
    title: Mapped[Name]
    agent: Mapped[Word]
    phase: Mapped[Word]
    node: Mapped[int]
    instructions: Mapped[LongText]
    acceptance: Mapped[Json]
    review: Mapped[bool]
    on_rejection: Mapped[Word]  # fail or deliver
    max_attempts: Mapped[int]
    timeout_seconds: Mapped[float]
    status: Mapped[Word]
    subtask_id: Mapped[MaybeRef]  # whose output is the task's; of a pending task: queued
    earlier_subtask_id: Mapped[MaybeRef]  # the one before the last retry
    error: Mapped[Json]
    created_at: Mapped[TimeUs]
    started_at: Mapped[MaybeTimeUs]
    finished_at: Mapped[MaybeTimeUs]


class Node(Table):
    """A node of a project's graph: a task, or a barrier between phases (`task_id` null)."""

    __tablename__ = "nodes"
    __table_args__ = ({"sqlite_with_rowid": False},)

    project_id: Mapped[Ref] = mapped_column(primary_key=True)
    node: Mapped[int] = mapped_column(primary_key=True)
    workspace: Mapped[Workspace]
    task_id: Mapped[MaybeRef]
    blocked_by: Mapped[int]


class Edge(Table):
    """`source` before `target`; `data` edges also carry output and failure."""

    __tablename__ = "edges"
    __table_args__ = (
        Index("ix_edges_project_target", "project_id", "target", "data"),
        {"sqlite_with_rowid": False},
    )

    project_id: Mapped[Ref] = mapped_column(primary_key=True)
    source: Mapped[int] = mapped_column(primary_key=True)
    target: Mapped[int] = mapped_column(primary_key=True)
    workspace: Mapped[Workspace]
    data: Mapped[int]  # 0 or 1


class Event(Table):
    """One line of a project's history; `seq` starts at 1 and has no gaps."""

    __tablename__ = "events"
    __table_args__ = ({"sqlite_with_rowid": False},)

    project_id: Mapped[Ref] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    workspace: Mapped[Workspace]
    type: Mapped[Word]
    at: Mapped[TimeUs]
    task_id: Mapped[MaybeRef]
    subtask_id: Mapped[MaybeRef]
    attempt: Mapped[int | None]
    data: Mapped[Json]


class DeletedProject(Table):
    """A project that was deleted: its folders may still be on some machine."""

    __tablename__ = "deleted_projects"

    id: Mapped[Id]
    workspace: Mapped[Workspace]
    deleted_at: Mapped[TimeUs]


class Approval(Table):
    """A question to a person: pending, then approved, rejected, or expired with what it was about.

    `number` is the journal record it asks about, of the kind `interrupted_call`; `used_at`
    says when the decision took its effect.
    """

    __tablename__ = "approvals"
    __table_args__ = (
        Index("ix_approvals_workspace_created", "workspace", "created_at", "id"),
        Index("ix_approvals_project_status", "project_id", "status"),
        Index(
            "uq_approvals_subtask_number",
            "subtask_id",
            "number",
            unique=True,
            sqlite_where=text("status = 'pending'"),
            postgresql_where=text("status = 'pending'"),
        ),
    )

    id: Mapped[Id]
    workspace: Mapped[Workspace]
    kind: Mapped[Word]
    project_id: Mapped[MaybeRef]
    task_id: Mapped[MaybeRef]
    subtask_id: Mapped[MaybeRef]
    number: Mapped[int | None]
    question: Mapped[LongText]
    status: Mapped[Word]
    decision: Mapped[Json]
    decided_by: Mapped[MaybeRef]  # the id of the key
    created_at: Mapped[TimeUs]
    decided_at: Mapped[MaybeTimeUs]
    used_at: Mapped[MaybeTimeUs]


class Artifact(Table):
    """A file an agent made, beneath the project's workspace folder."""

    __tablename__ = "artifacts"

    project_id: Mapped[Ref] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(primary_key=True)
    workspace: Mapped[Workspace]
    task_id: Mapped[MaybeRef]
    bytes: Mapped[Count]
    sha256: Mapped[Word]
    created_at: Mapped[TimeUs]
