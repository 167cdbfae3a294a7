"""Why a project is not moving."""

from pydantic import Field

from nexus.schemas.health import Word
from nexus.schemas.lists import PageParams
from nexus.schemas.progress import TaskStatus
from nexus.schemas.projects import Status
from nexus.schemas.strictness import Reply


class DiagnosisParams(PageParams):
    """Which page of the unfinished tasks."""


class HoldingTask(Reply):
    """An unfinished task that holds another back."""

    task_id: str
    key: str
    status: TaskStatus


class Reason(Reply):
    """One thing an unfinished task waits for."""

    code: str
    text: str = Field(description="A sentence for people.")
    tasks: list[HoldingTask] = Field(description="Who holds it back, the first few of them.")
    more: int = Field(description="How many more there are.")
    at: str | None = Field(description="The moment it is about.")
    approval_id: str | None
    worker: str | None


class TaskDiagnosis(Reply):
    """An unfinished task, or the work on the plan (ids null), and what it waits for."""

    task_id: str | None
    key: str | None
    title: str
    status: TaskStatus
    subtask_id: str | None
    attempt: int
    max_attempts: int
    reasons: list[Reason]


class UnfinishedCounts(Reply):
    """How many tasks are not over, by what they show."""

    pending: int
    queued: int
    running: int
    waiting: int


class Workforce(Reply):
    """Who could do the work: of the whole installation."""

    live: int = Field(description="Workers whose lease holds.")
    slots: int = Field(description="How many subtasks they can have in flight.")
    busy: int = Field(description="How many subtasks run.")
    last_heartbeat_at: str | None


class Diagnosis(Reply):
    """Why a project's unfinished tasks are not moving: facts of one moment, those at work first."""

    project_id: str
    status: Status
    text: str = Field(description="The project as a whole, in a sentence.")
    at: str
    counts: UnfinishedCounts
    workers: Workforce
    redis: Word
    chroma: Word
    documents_processing: int = Field(description="Documents at hand that are not ready yet.")
    items: list[TaskDiagnosis]
    next_cursor: str | None
