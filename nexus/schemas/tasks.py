"""Tasks, their subtasks and the journal of recorded calls."""

from pydantic import Field, JsonValue

from nexus.domain.plan import OnRejection
from nexus.schemas.lists import PageParams
from nexus.schemas.progress import TaskStatus
from nexus.schemas.projects import Failure, Usage
from nexus.schemas.strictness import Reply


class Task(Reply):
    """A task of a plan, and what became of it."""

    id: str
    project_id: str
    key: str
    title: str
    agent: str
    phase: str
    instructions: str
    acceptance: list[str]
    review: bool
    on_rejection: OnRejection
    max_attempts: int
    timeout_seconds: float
    status: TaskStatus
    attempt: int
    output: str | None = Field(description="What the agent handed in; null until it succeeded.")
    error: Failure | None
    usage: Usage
    created_at: str
    started_at: str | None
    finished_at: str | None


class Subtask(Reply):
    """One unit of agent work done for a task."""

    id: str
    project_id: str | None
    task_id: str | None
    parent_id: str | None = Field(
        description="The subtask it came out of: of a review the work it judges, of a revision "
        "the review it answers, of a delegated part the subtask that split its work."
    )
    kind: str
    agent: str
    status: str
    attempt: int
    max_attempts: int
    output: str | None
    error: Failure | None
    usage: Usage
    created_at: str
    started_at: str | None
    finished_at: str | None


class LargeValue(Reply):
    """A request or result that is kept in a file."""

    sha256: str = Field(description="Of its JSON, in hex; the name of the file.")
    bytes: int
    preview: str = Field(description="How its JSON begins.")


class JournalEntry(Reply):
    """One recorded call: a model's reply, a tool's result or a step's value."""

    number: int
    kind: str
    name: str
    key: str
    generation: int
    effect: str
    status: str
    request: JsonValue
    large_request: LargeValue | None
    result: JsonValue
    large_result: LargeValue | None
    outcome: str | None
    usage: Usage
    begun_at: str
    recorded_at: str | None


class JournalParams(PageParams):
    """What to show of a journal."""

    number: int | None = Field(
        None, ge=0, description="Only this record, with what is large in full."
    )
