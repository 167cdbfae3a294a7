"""Subtasks on their way into the database: what they are, and the limits they come with."""

from dataclasses import dataclass, field
from typing import Final

from nexus.domain.ids import new_id
from nexus.domain.states import QUICK_KINDS, SubtaskKind
from nexus.models.writing import Cell
from nexus.orchestrator.turn import Subject

MAX_MODEL_CALLS: Final = 50
MAX_PLAN_CALLS: Final = 6
PLAN_TIMEOUT_SECONDS: Final = 900.0
"""Three attempts, each of which asks a slow model for four minutes at most."""
PLAN_ATTEMPTS: Final = 3
INGEST_ATTEMPTS: Final = 20
"""So many workers may be lost over a document; waiting for a memory that is away uses none."""
INGEST_TIMEOUT_SECONDS: Final = 900.0
"""Begins anew after each wait for a memory that is away."""
REMEMBER_ATTEMPTS: Final = 10
REMEMBER_TIMEOUT_SECONDS: Final = 600.0
CHAT_ATTEMPTS: Final = 3
CHAT_TIMEOUT_SECONDS: Final = 600.0
"""From the first claim on: all attempts together."""


@dataclass(frozen=True, slots=True)
class NewSubtask:
    """A subtask about to be queued or, with an `owner`, born in a worker's hands."""

    kind: SubtaskKind
    agent: str
    workspace: str
    project_id: str | None = None
    task_id: str | None = None
    document_id: str | None = None
    supersedes: str | None = None
    max_attempts: int = PLAN_ATTEMPTS
    max_model_calls: int = MAX_MODEL_CALLS
    timeout_seconds: float = PLAN_TIMEOUT_SECONDS
    owner: str | None = None
    id: str = field(default_factory=lambda: new_id("sub"))

    def row(self) -> tuple[Cell, ...]:
        """Write it as `closing.INSERT_SUBTASK` takes it."""
        return (
            self.id,
            self.workspace,
            self.project_id,
            self.task_id,
            self.document_id,
            self.supersedes,
            self.kind.value,
            self.agent,
            0 if self.kind in QUICK_KINDS else 1,
            self.max_attempts,
            self.max_model_calls,
            self.timeout_seconds,
            "running" if self.owner else "queued",
            self.owner,
            int(self.owner is not None),
        )

    def subject(self, attempt: int | None) -> Subject:
        """Whom an event of it is about."""
        return Subject(self.project_id or "", self.workspace, self.task_id, self.id, attempt)
