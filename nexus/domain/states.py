"""States of projects, tasks and subtasks, and every legal move between them, as data."""

from enum import StrEnum
from typing import Final

from nexus.errors import Conflict


class ProjectState(StrEnum):
    PLANNING = "planning"
    PLANNED = "planned"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TaskState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


class SubtaskState(StrEnum):
    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class SubtaskKind(StrEnum):
    PLAN = "plan"
    REPLAN = "replan"
    WORK = "work"
    REVIEW = "review"
    REVISE = "revise"
    DELEGATED = "delegated"
    INGEST = "ingest"
    CHAT = "chat"
    REMEMBER = "remember"


P, T, S = ProjectState, TaskState, SubtaskState

PROJECT_MOVES: Final[dict[ProjectState, frozenset[ProjectState]]] = {
    P.PLANNING: frozenset({P.PLANNED, P.FAILED, P.CANCELLED}),
    P.PLANNED: frozenset({P.PLANNING, P.RUNNING, P.CANCELLED}),
    P.RUNNING: frozenset({P.WAITING, P.PAUSED, P.SUCCEEDED, P.FAILED, P.CANCELLED}),
    P.WAITING: frozenset({P.RUNNING, P.PAUSED, P.CANCELLED}),
    P.PAUSED: frozenset({P.RUNNING, P.CANCELLED}),
    P.SUCCEEDED: frozenset(),
    P.FAILED: frozenset({P.RUNNING, P.PLANNING}),
    P.CANCELLED: frozenset({P.RUNNING, P.PLANNING}),
}

TASK_MOVES: Final[dict[TaskState, frozenset[TaskState]]] = {
    T.PENDING: frozenset({T.RUNNING, T.SKIPPED, T.CANCELLED, T.FAILED}),
    T.RUNNING: frozenset({T.WAITING, T.SUCCEEDED, T.FAILED, T.CANCELLED}),
    T.WAITING: frozenset({T.RUNNING, T.FAILED, T.CANCELLED}),
    T.SUCCEEDED: frozenset(),
    T.FAILED: frozenset({T.PENDING}),
    T.CANCELLED: frozenset({T.PENDING}),
    T.SKIPPED: frozenset({T.PENDING}),
}

SUBTASK_MOVES: Final[dict[SubtaskState, frozenset[SubtaskState]]] = {
    S.PENDING: frozenset({S.QUEUED, S.CANCELLED}),
    S.QUEUED: frozenset({S.RUNNING, S.FAILED, S.CANCELLED}),
    S.RUNNING: frozenset({S.QUEUED, S.WAITING, S.SUCCEEDED, S.FAILED, S.CANCELLED}),
    S.WAITING: frozenset({S.QUEUED, S.FAILED, S.CANCELLED}),
    S.SUCCEEDED: frozenset(),
    S.FAILED: frozenset(),
    S.CANCELLED: frozenset(),
}

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
"""What a task shows: its status, and `queued` while it is pending and has a subtask."""

PROJECT_TERMINAL: Final = frozenset({P.SUCCEEDED, P.FAILED, P.CANCELLED})
TASK_TERMINAL: Final = frozenset({T.SUCCEEDED, T.FAILED, T.CANCELLED, T.SKIPPED})
SUBTASK_TERMINAL: Final = frozenset({S.SUCCEEDED, S.FAILED, S.CANCELLED})

QUICK_KINDS: Final = frozenset(
    {SubtaskKind.PLAN, SubtaskKind.REPLAN, SubtaskKind.REVIEW, SubtaskKind.CHAT}
)
"""Kinds that others wait for: they go through the queue before work."""


def check_project_move(now: ProjectState, then: ProjectState, act: str) -> None:
    """Refuse a move the table does not have.

    Raises:
        Conflict: `act` (a verb such as `execute`) cannot be done in the state `now`.
    """
    if then not in PROJECT_MOVES[now]:
        following = " or ".join(sorted(PROJECT_MOVES[now]))
        raise Conflict(
            f"cannot {act} a project that is {now}",
            code="illegal_transition",
            hint=f"from here it can only become {following}" if following else "it is over",
        )
