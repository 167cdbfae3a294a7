"""Subtasks, their journal and the workers that run them."""

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from nexus.models.columns import (
    Count,
    Id,
    Json,
    LongText,
    MaybeDigest,
    MaybePico,
    MaybeRef,
    MaybeSize,
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


class Subtask(Table):
    """One unit of agent work: what the queue carries and a worker claims.

    `claim` grows at every claim and fences writes; `attempt` counts tries against
    `max_attempts`, and `attempt_open` says that the next claim goes on with the same one.
    """

    __tablename__ = "subtasks"
    __table_args__ = (
        Index(
            "ix_subtasks_queued",
            "run_at",
            sqlite_where=text("status = 'queued'"),
            postgresql_where=text("status = 'queued'"),
        ),
        Index(
            "ix_subtasks_running",
            "owner",
            sqlite_where=text("status = 'running'"),
            postgresql_where=text("status = 'running'"),
        ),
        Index(
            "ix_subtasks_unannounced",
            "project_id",
            "priority",
            "run_at",
            "id",
            sqlite_where=text("status = 'queued' AND announced_at IS NULL"),
            postgresql_where=text("status = 'queued' AND announced_at IS NULL"),
        ),
        Index(
            "ix_subtasks_announced",
            "project_id",
            "announced_at",
            sqlite_where=text("status = 'queued' AND announced_at IS NOT NULL"),
            postgresql_where=text("status = 'queued' AND announced_at IS NOT NULL"),
        ),
        Index(
            "ix_subtasks_deadline",
            "deadline_at",
            sqlite_where=text("status IN ('queued', 'running') AND deadline_at IS NOT NULL"),
            postgresql_where=text("status IN ('queued', 'running') AND deadline_at IS NOT NULL"),
        ),
        Index("ix_subtasks_project", "project_id", "status"),
        Index(
            "ix_subtasks_document",
            "document_id",
            sqlite_where=text("document_id IS NOT NULL"),
            postgresql_where=text("document_id IS NOT NULL"),
        ),
        Index("ix_subtasks_task", "task_id"),
    )

    id: Mapped[Id]
    workspace: Mapped[Workspace]
    project_id: Mapped[MaybeRef]
    task_id: Mapped[MaybeRef]
    document_id: Mapped[MaybeRef]
    supersedes: Mapped[MaybeRef]
    kind: Mapped[Word]
    agent: Mapped[Word]
    status: Mapped[Word]
    priority: Mapped[int]  # 0 goes first
    attempt: Mapped[Count]
    attempt_open: Mapped[Count]  # 0 or 1
    max_attempts: Mapped[int]
    generation: Mapped[Count]
    max_model_calls: Mapped[int]
    claim: Mapped[Count]
    owner: Mapped[MaybeRef]
    run_at: Mapped[TimeUs]
    announced_at: Mapped[MaybeTimeUs]
    timeout_seconds: Mapped[float]
    deadline_at: Mapped[MaybeTimeUs]
    output: Mapped[MaybeText]
    error: Mapped[Json]
    requests: Mapped[Count]
    input_tokens: Mapped[Count]
    output_tokens: Mapped[Count]
    cost_pico_usd: Mapped[Pico]
    created_at: Mapped[TimeUs]
    started_at: Mapped[MaybeTimeUs]
    finished_at: Mapped[MaybeTimeUs]


class Offshoot(Table):
    """A subtask that came out of another one, its parent; ordinary work has no such row.

    A review's parent is the work it judges, a revision's the review it answers. `round`
    counts revisions of the task's output.
    """

    __tablename__ = "offshoots"
    __table_args__ = (
        Index("ix_offshoots_parent", "parent_id"),
        Index("ix_offshoots_project", "project_id"),
    )

    subtask_id: Mapped[Ref] = mapped_column(primary_key=True)
    workspace: Mapped[Workspace]
    project_id: Mapped[Ref]
    parent_id: Mapped[Ref]
    round: Mapped[Count]


class JournalRecord(Table):
    """One call of a subtask: intended (`begun`), then `recorded` or `failed`.

    With a digest, the request or result is in a file and its column has only the beginning.
    """

    __tablename__ = "journal"

    subtask_id: Mapped[Ref] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    workspace: Mapped[Workspace]
    kind: Mapped[Word]
    name: Mapped[Name]
    key: Mapped[Name]
    occurrence: Mapped[int]
    generation: Mapped[int]
    fingerprint: Mapped[Word]
    effect: Mapped[Word]
    status: Mapped[Word]
    claim: Mapped[int]
    request: Mapped[Json]
    request_sha256: Mapped[MaybeDigest]
    request_bytes: Mapped[MaybeSize]
    result: Mapped[Json]
    result_sha256: Mapped[MaybeDigest]
    result_bytes: Mapped[MaybeSize]
    outcome: Mapped[MaybeText]
    input_tokens: Mapped[Count]
    output_tokens: Mapped[Count]
    cost_pico_usd: Mapped[MaybePico]
    begun_at: Mapped[TimeUs]
    recorded_at: Mapped[MaybeTimeUs]
    origin: Mapped[MaybeRef]  # the subtask it began under, if a retry carried it over


class Reservation(Table):
    """A model call's part of its project's budget: granted when it begins, gone when it is recorded.

    One that is granted counts as long as its claim holds. One that is not is what a waiting
    subtask waits for; with the number -1 it was about to start.
    """

    __tablename__ = "reservations"
    __table_args__ = (Index("ix_reservations_project_granted", "project_id", "granted"),)

    subtask_id: Mapped[Ref] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    workspace: Mapped[Workspace]
    project_id: Mapped[MaybeRef]
    claim: Mapped[int]
    granted: Mapped[int]  # 0 or 1
    tokens: Mapped[Count]
    cost_pico_usd: Mapped[Pico]
    created_at: Mapped[TimeUs]


class Worker(Table):
    """A worker process; every lease it holds ends at `lease_until`."""

    __tablename__ = "workers"

    id: Mapped[Id]
    workspace: Mapped[Workspace]
    host: Mapped[Name]
    pid: Mapped[int]
    status: Mapped[Word]  # active, draining or gone
    concurrency: Mapped[int]
    started_at: Mapped[TimeUs]
    heartbeat_at: Mapped[TimeUs]
    lease_until: Mapped[TimeUs]


class Installation(Table):
    """The one row that names this installation; its id prefixes every Redis key."""

    __tablename__ = "installation"

    id: Mapped[Id]
    workspace: Mapped[Workspace]
    created_at: Mapped[TimeUs]


class ApiKey(Table):
    """An API key: only its keyed hash is stored."""

    __tablename__ = "api_keys"
    __table_args__ = (Index("uq_api_keys_hash", "hash", unique=True),)

    id: Mapped[Id]
    workspace: Mapped[Workspace]
    name: Mapped[Name]
    prefix: Mapped[Word]
    hash: Mapped[Word]
    scopes: Mapped[Json]
    created_at: Mapped[TimeUs]
    expires_at: Mapped[MaybeTimeUs]
    revoked_at: Mapped[MaybeTimeUs]


class IdempotencyKey(Table):
    """The first answer given to a POST that carried an Idempotency-Key."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("ix_idempotency_keys_created", "created_at"),)

    workspace: Mapped[Workspace] = mapped_column(primary_key=True)
    route: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[Word]
    status: Mapped[int]
    location: Mapped[MaybeText]
    body: Mapped[LongText]
    created_at: Mapped[TimeUs]


class DeclaredAgent(Table):
    """A model-driven agent that a workspace has declared; `document` is its declaration."""

    __tablename__ = "agents"

    workspace: Mapped[Workspace] = mapped_column(primary_key=True)
    name: Mapped[Word] = mapped_column(primary_key=True)
    document: Mapped[Json]
    created_at: Mapped[TimeUs]
