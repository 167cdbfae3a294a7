"""Moves of projects, and the clock of the time they run."""

from typing import Final

from nexus.domain.seam import Json
from nexus.domain.states import (
    PROJECT_MOVES,
    PROJECT_TERMINAL,
    ProjectState,
)
from nexus.domain.text import dumps
from nexus.models.writing import Query, Transaction
from nexus.orchestrator.turn import Subject, Turn

CLOCK: Final = (
    "ran_us = ran_us + CASE WHEN status IN ('running', 'planning') THEN NOW_US() - moved_at "
    "ELSE 0 END, moved_at = NOW_US()"
)
"""What every move of a project sets: it counts the time it was planned or ran."""

MOVE: Final = " ".join(
    (
        "UPDATE projects SET status = $2, error = $3,",
        CLOCK,
        ", started_at = CASE WHEN $4 = 1 THEN COALESCE(started_at, NOW_US()) ELSE started_at END,",
        "finished_at = CASE WHEN $5 = 1 THEN NOW_US() ELSE NULL END",
        "WHERE id = $1 AND status IN EACH($6) AND (CAST($7 AS BIGINT) = 0 OR NOT EXISTS",
        "(SELECT 1 FROM subtasks s WHERE s.project_id = $1 AND s.kind = 'replan'",
        "AND s.status IN ('queued', 'running', 'waiting'))) RETURNING id",
    )
)
ENDED: Final = frozenset({ProjectState.SUCCEEDED, ProjectState.FAILED})


def sources_of(then: ProjectState) -> list[str]:
    """List the states from which a project may become `then`."""
    return [now.value for now, moves in PROJECT_MOVES.items() if then in moves]


def move_project(
    turn: Turn, subject: Subject, then: ProjectState, event: str, **data: Json
) -> Transaction[bool]:
    """Move a project to `then` from any state that allows it; tell `event` if it moved.

    It does not end while its plan is being amended.
    """
    error = data.get("error")
    rows = yield Query(
        MOVE,
        (
            subject.project_id,
            then.value,
            None if error is None else dumps(error),
            int(then is ProjectState.RUNNING),
            int(then in PROJECT_TERMINAL),
            sources_of(then),
            int(then in ENDED),
        ),
    )
    if rows:
        turn.tell(subject, event, **data)
    return bool(rows)


def forget_error(project_id: str) -> Transaction[None]:
    """Forget why a planned project was not planned anew: its plan is another by now."""
    yield Query("UPDATE projects SET error = NULL WHERE id = $1", (project_id,))
