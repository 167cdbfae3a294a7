"""Progress of a project's run."""

from typing import Literal

from pydantic import Field

from nexus.schemas.projects import ProjectUsage, Status
from nexus.schemas.strictness import Params, Reply

TaskStatus = Literal[
    "pending", "queued", "running", "waiting", "succeeded", "failed", "skipped", "cancelled"
]


class ProgressParams(Params):
    """How much of the progress to show."""

    detail: Literal["tasks", "phases"] = Field("tasks", description="`phases` leaves tasks out.")


class Counts(Reply):
    """How many tasks have each status; they add up to the number of tasks."""

    pending: int
    queued: int
    running: int
    waiting: int
    succeeded: int
    failed: int
    skipped: int
    cancelled: int


class TaskProgress(Reply):
    """One task in the progress of its phase."""

    id: str
    key: str
    title: str
    agent: str
    status: TaskStatus
    attempt: int
    started_at: str | None
    finished_at: str | None


class PhaseProgress(Reply):
    """One phase; its status follows from its tasks."""

    key: str
    title: str
    status: TaskStatus
    percent: int
    tasks: list[TaskProgress] | None = Field(None, description="Left out with detail=phases.")


class Progress(Reply):
    """Where a project stands."""

    project_id: str
    status: Status
    percent: int = Field(description="Whole percent of the tasks that succeeded, rounded down.")
    counts: Counts
    phases: list[PhaseProgress]
    usage: ProjectUsage
    eta_seconds: float | None
    last_event_seq: int
    updated_at: str
