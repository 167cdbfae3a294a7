"""The one file that writes state: every change of a status column, by compare-and-set, with its event.

A change that finds another state than expected touches no row and answers so; whoever
called decides whether that is a conflict, a fenced worker or nothing at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from nexus.domain.seam import Json
from nexus.domain.states import (
    PROJECT_MOVES,
    PROJECT_TERMINAL,
    SUBTASK_MOVES,
    TASK_MOVES,
    ProjectState,
    SubtaskState,
    TaskState,
)
from nexus.domain.text import dumps
from nexus.models.writing import Query, Row, Transaction
from nexus.orchestrator.turn import Subject, Turn

OPEN_TASKS: Final = tuple(s.value for s in TaskState if TaskState.CANCELLED in TASK_MOVES[s])
OPEN_SUBTASKS: Final = tuple(
    s.value for s in SubtaskState if SubtaskState.CANCELLED in SUBTASK_MOVES[s]
)


@dataclass(frozen=True, slots=True)
class Held:
    """A claim somebody holds on a running subtask: what every write of theirs must match."""

    subtask_id: str
    claim: int
    owner: str


def _first(row: Row) -> int | str:
    first: int | str = row[0]
    return first


def sources_of(then: ProjectState) -> list[str]:
    """List the states from which a project may become `then`."""
    return [now.value for now, moves in PROJECT_MOVES.items() if then in moves]


def move_project(
    turn: Turn, subject: Subject, then: ProjectState, event: str, **data: Json
) -> Transaction[bool]:
    """Move a project to `then` from any state that allows it; tell `event` if it moved."""
    error = data.get("error")
    rows = yield Query(
        "UPDATE projects SET status = $2, error = $3, "
        "started_at = CASE WHEN $4 = 1 THEN COALESCE(started_at, NOW_US()) ELSE started_at END, "
        "finished_at = CASE WHEN $5 = 1 THEN NOW_US() ELSE NULL END "
        "WHERE id = $1 AND status IN EACH($6) RETURNING id",
        (
            subject.project_id,
            then.value,
            None if error is None else dumps(error),
            int(then is ProjectState.RUNNING),
            int(then in PROJECT_TERMINAL),
            sources_of(then),
        ),
    )
    if rows:
        turn.tell(subject, event, **data)
    return bool(rows)


def start_tasks(turn: Turn, subtasks: Sequence[Row]) -> Transaction[None]:
    """Move the pending tasks of just-claimed subtasks to running; rows are (id, attempt, …)."""
    ids = [row[0] for row in subtasks]
    rows = yield Query(
        "UPDATE tasks SET status = 'running', started_at = COALESCE(started_at, NOW_US()) "
        "WHERE subtask_id IN EACH($1) AND status IN ('pending', 'waiting') "
        "RETURNING id, project_id, workspace, key, agent, subtask_id",
        (ids,),
    )
    attempts = {row[0]: row[1] for row in subtasks}
    for task_id, project_id, workspace, key, agent, subtask_id in rows:
        subject = Subject(project_id, workspace, task_id, subtask_id, attempts[subtask_id])
        turn.tell(subject, "task.started", key=key, agent=agent)


def finish_task(
    turn: Turn, subject: Subject, then: TaskState, error: Json = None
) -> Transaction[str | None]:
    """Move one task to a terminal state; return its key, or None if it was over already."""
    sources = [now.value for now, moves in TASK_MOVES.items() if then in moves]
    rows = yield Query(
        "UPDATE tasks SET status = $2, error = $3, finished_at = NOW_US() "
        "WHERE id = $1 AND status IN EACH($4) RETURNING key",
        (subject.task_id, then.value, None if error is None else dumps(error), sources),
    )
    if not rows:
        return None
    key: str = rows[0][0]
    if then is TaskState.FAILED:
        turn.tell(subject, "task.failed", key=key, error=error)
    else:
        turn.tell(subject, f"task.{then.value}", key=key)
    return key


def skip_tasks(
    turn: Turn, project: Subject, task_ids: Sequence[str], because_of: str
) -> Transaction[list[int]]:
    """Skip pending tasks; return their nodes."""
    error = {
        "code": "dependency_failed",
        "message": f"skipped because the task {because_of} did not succeed",
        "task_id": None,
        "hint": f"mend what made {because_of} fail, then retry the project",
    }
    rows = yield Query(
        "UPDATE tasks SET status = 'skipped', error = $2, finished_at = NOW_US() "
        "WHERE id IN EACH($1) AND status = 'pending' RETURNING node, id, key",
        (list(task_ids), dumps(error)),
    )
    for _, task_id, key in sorted(rows, key=_first):
        subject = Subject(project.project_id, project.workspace, task_id)
        turn.tell(subject, "task.skipped", key=key, because_of=because_of)
    return [row[0] for row in rows]


def cancel_open_work(turn: Turn, project: Subject) -> Transaction[int]:
    """Cancel every subtask and task of a project that is not over; return the number of tasks."""
    rows = yield Query(
        "UPDATE subtasks SET status = 'cancelled', finished_at = NOW_US(), owner = NULL "
        "WHERE project_id = $1 AND status IN EACH($2) RETURNING id, task_id, attempt",
        (project.project_id, list(OPEN_SUBTASKS)),
    )
    for subtask_id, task_id, attempt in sorted(rows, key=_first):
        subject = Subject(project.project_id, project.workspace, task_id, subtask_id, attempt)
        turn.tell(subject, "subtask.cancelled")
    rows = yield Query(
        "UPDATE tasks SET status = 'cancelled', finished_at = NOW_US() "
        "WHERE project_id = $1 AND status IN EACH($2) RETURNING node, id, key",
        (project.project_id, list(OPEN_TASKS)),
    )
    for _, task_id, key in sorted(rows, key=_first):
        turn.tell(
            Subject(project.project_id, project.workspace, task_id), "task.cancelled", key=key
        )
    return len(rows)


def reset_tasks(turn: Turn, project: Subject) -> Transaction[list[str]]:
    """Reopen failed, skipped and cancelled tasks for a retry; return their ids in plan order.

    They let go of the subtask they had: a pending task that has one is queued.
    """
    sources = [now.value for now, moves in TASK_MOVES.items() if TaskState.PENDING in moves]
    rows = yield Query(
        "UPDATE tasks SET status = 'pending', error = NULL, finished_at = NULL, "
        "earlier_subtask_id = COALESCE(subtask_id, earlier_subtask_id), subtask_id = NULL "
        "WHERE project_id = $1 AND status IN EACH($2) RETURNING node, id, key",
        (project.project_id, sources),
    )
    for _, task_id, key in sorted(rows, key=_first):
        turn.tell(Subject(project.project_id, project.workspace, task_id), "task.reset", key=key)
    return [row[1] for row in sorted(rows, key=_first)]


def claim_subtasks(
    turn: Turn, worker_id: str, subtask_ids: Sequence[str]
) -> Transaction[list[Row]]:
    """Move queued, due subtasks to running under `worker_id`; rows are (id, attempt, …).

    The attempt is counted here, before anything runs, so that one that kills its worker
    is counted too. A worker whose lease is over gets nothing.
    """
    rows = yield Query(
        "UPDATE subtasks SET status = 'running', owner = $2, claim = claim + 1, "
        "attempt = attempt + 1 - attempt_open, attempt_open = 1, "
        "started_at = COALESCE(started_at, NOW_US()), announced_at = NULL, "
        "deadline_at = COALESCE(deadline_at, "
        "NOW_US() + CAST(timeout_seconds * 1000000 AS BIGINT)) "
        "WHERE id IN EACH($1) AND status = 'queued' AND run_at <= NOW_US() "
        "AND EXISTS (SELECT 1 FROM workers w WHERE w.id = $2 AND w.lease_until > NOW_US()) "
        "AND (project_id IS NULL OR EXISTS (SELECT 1 FROM projects p "
        "WHERE p.id = subtasks.project_id AND p.status IN ('running', 'planning'))) "
        "RETURNING id, attempt, claim, workspace, project_id, task_id, document_id, kind, agent, "
        "max_attempts, generation, max_model_calls, timeout_seconds, deadline_at - NOW_US(), "
        "supersedes",
        (list(subtask_ids), worker_id),
    )
    for row in rows:
        if row[4]:
            subject = Subject(row[4], row[3], row[5], row[0], row[1])
            turn.tell(subject, "subtask.started", kind=row[7], worker=worker_id)
    return rows


def finish_subtask(
    turn: Turn, held: Held, then: SubtaskState, *, output: str | None = None, error: Json = None
) -> Transaction[Row | None]:
    """Move a running subtask to a terminal state for its holder.

    Returns:
        (project_id, workspace, task_id, attempt, kind, document_id), or None when the
        claim is not held any more.
    """
    rows = yield Query(
        "UPDATE subtasks SET status = $4, output = $5, error = $6, finished_at = NOW_US(), "
        "owner = NULL WHERE id = $1 AND claim = $2 AND owner = $3 AND status = 'running' "
        "RETURNING project_id, workspace, task_id, attempt, kind, document_id",
        (
            held.subtask_id,
            held.claim,
            held.owner,
            then.value,
            output,
            None if error is None else dumps(error),
        ),
    )
    if not rows:
        return None
    project_id, workspace, task_id, attempt, *_ = rows[0]
    if project_id:
        subject = Subject(project_id, workspace, task_id, held.subtask_id, attempt)
        if then is SubtaskState.FAILED:
            turn.tell(subject, "subtask.failed", error=error)
        else:
            turn.tell(subject, f"subtask.{then.value}")
    return rows[0]


def requeue_subtask(
    turn: Turn, held: Held, *, delay_us: int, error: Json, new_generation: bool
) -> Transaction[bool]:
    """Put a running subtask back for another attempt, not before `delay_us` from now."""
    rows = yield Query(
        "UPDATE subtasks SET status = 'queued', owner = NULL, claim = claim + 1, "
        "attempt_open = 0, announced_at = NULL, run_at = NOW_US() + $4, error = $5, "
        "generation = generation + $6 "
        "WHERE id = $1 AND claim = $2 AND owner = $3 AND status = 'running' "
        "RETURNING project_id, workspace, task_id, attempt, run_at",
        (held.subtask_id, held.claim, held.owner, delay_us, dumps(error), int(new_generation)),
    )
    if rows and rows[0][0]:
        subject = Subject(rows[0][0], rows[0][1], rows[0][2], held.subtask_id, rows[0][3])
        turn.tell(subject, "subtask.retrying", error=error, run_at=rows[0][4])
    return bool(rows)


def release_subtask(turn: Turn, held: Held, reason: str) -> Transaction[bool]:
    """Put a running subtask back with its attempt still open: nothing is counted against it."""
    rows = yield Query(
        "UPDATE subtasks SET status = 'queued', owner = NULL, claim = claim + 1, "
        "announced_at = NULL "
        "WHERE id = $1 AND claim = $2 AND owner = $3 AND status = 'running' "
        "RETURNING project_id, workspace, task_id, attempt",
        (held.subtask_id, held.claim, held.owner),
    )
    if rows and rows[0][0]:
        subject = Subject(rows[0][0], rows[0][1], rows[0][2], held.subtask_id, rows[0][3])
        turn.tell(subject, "subtask.released", reason=reason)
    return bool(rows)


def fail_queued_subtask(turn: Turn, subtask_id: str, error: Json) -> Transaction[Row | None]:
    """Fail a subtask whose time is over while it waited in the queue; rows as `finish_subtask`."""
    rows = yield Query(
        "UPDATE subtasks SET status = 'failed', error = $2, finished_at = NOW_US() "
        "WHERE id = $1 AND status = 'queued' AND deadline_at < NOW_US() "
        "RETURNING project_id, workspace, task_id, attempt, kind, document_id",
        (subtask_id, dumps(error)),
    )
    if not rows:
        return None
    if rows[0][0]:
        subject = Subject(rows[0][0], rows[0][1], rows[0][2], subtask_id, rows[0][3])
        turn.tell(subject, "subtask.failed", error=error)
    return rows[0]


def cancel_ingestion(document_id: str) -> Transaction[None]:
    """Cancel what is being done for a document that is going away."""
    yield Query(
        "UPDATE subtasks SET status = 'cancelled', finished_at = NOW_US(), owner = NULL "
        "WHERE document_id = $1 AND status IN EACH($2)",
        (document_id, list(OPEN_SUBTASKS)),
    )
