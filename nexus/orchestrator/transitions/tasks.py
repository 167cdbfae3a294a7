"""Moves of tasks: they start, end, are skipped, cancelled and reopened."""

from collections.abc import Sequence
from typing import Final

from nexus.domain.seam import Json
from nexus.domain.states import (
    TASK_MOVES,
    TaskState,
)
from nexus.domain.text import dumps
from nexus.models.writing import Query, Row, Transaction
from nexus.orchestrator.turn import Subject, Turn

OPEN_TASKS: Final = tuple(s.value for s in TaskState if TaskState.CANCELLED in TASK_MOVES[s])
REOPENED: Final = [s.value for s in TaskState if TaskState.PENDING in TASK_MOVES[s]]


def _first(row: Row) -> int | str:
    first: int | str = row[0]
    return first


def start_tasks(turn: Turn, subtasks: Sequence[Row]) -> Transaction[None]:
    """Move the pending tasks of just-claimed subtasks to running; rows of `claim_subtasks`."""
    rows = yield Query(
        "UPDATE tasks SET status = 'running', started_at = COALESCE(started_at, NOW_US()) "
        "WHERE id IN EACH($1) AND status = 'pending' "
        "RETURNING id, project_id, workspace, key, agent, subtask_id, phase",
        ([row[5] for row in subtasks],),
    )
    attempts = {row[0]: row[1] for row in subtasks}
    for task_id, project_id, workspace, key, agent, subtask_id, phase in rows:
        turn.count(project_id, phase, "queued", "running")
        subject = Subject(project_id, workspace, task_id, subtask_id, attempts[subtask_id])
        turn.tell(subject, "task.started", key=key, agent=agent)


def finish_tasks(
    turn: Turn, subjects: Sequence[Subject], then: TaskState, error: Json = None
) -> Transaction[list[Row]]:
    """Move tasks to a terminal state; return (id, project_id, node, key, phase) of those that moved."""
    sources = [now.value for now, moves in TASK_MOVES.items() if then in moves]
    ids = [one.task_id or "" for one in subjects]
    yield from _count("id IN EACH($1)", turn, ids, sources, then)
    rows = yield Query(
        "UPDATE tasks SET status = $2, error = $3, finished_at = NOW_US() "
        "WHERE id IN EACH($1) AND status IN EACH($4) RETURNING id, project_id, node, key, phase",
        (
            ids,
            then.value,
            None if error is None else dumps(error),
            sources,
        ),
    )
    return tell_finished_tasks(turn, subjects, rows, then, error)


def tell_finished_tasks(
    turn: Turn,
    subjects: Sequence[Subject],
    rows: Sequence[Row],
    then: TaskState,
    error: Json = None,
) -> list[Row]:
    """Tell of tasks that moved, rows as `finish_tasks` returns them; in the subjects' order."""
    told: dict[str, Json] = {"error": error} if then is TaskState.FAILED else {}
    moved = {row[0]: row for row in rows}
    for subject in subjects:
        if subject.task_id in moved:
            turn.tell(subject, f"task.{then.value}", key=moved[subject.task_id][3], **told)
            tally = turn.tally(subject.project_id)
            tally.ended += 1
            tally.well += then is TaskState.SUCCEEDED
    return [moved[one.task_id] for one in subjects if one.task_id in moved]


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
    ids = list(task_ids)
    yield from _count("id IN EACH($1)", turn, ids, [TaskState.PENDING], TaskState.SKIPPED)
    rows = yield Query(
        "UPDATE tasks SET status = 'skipped', error = $2, finished_at = NOW_US() "
        "WHERE id IN EACH($1) AND status = 'pending' RETURNING node, id, key",
        (ids, dumps(error)),
    )
    for _, task_id, key in sorted(rows, key=_first):
        subject = Subject(project.project_id, project.workspace, task_id)
        turn.tell(subject, "task.skipped", key=key, because_of=because_of)
    turn.tally(project.project_id).ended += len(rows)
    return [row[0] for row in rows]


def cancel_tasks(turn: Turn, project: Subject) -> Transaction[None]:
    """Cancel every task of a project that is not over."""
    whose = "project_id = $1"
    yield from _count(whose, turn, project.project_id, OPEN_TASKS, TaskState.CANCELLED)
    rows = yield Query(
        "UPDATE tasks SET status = 'cancelled', finished_at = NOW_US() "
        "WHERE project_id = $1 AND status IN EACH($2) RETURNING node, id, key",
        (project.project_id, list(OPEN_TASKS)),
    )
    for _, task_id, key in sorted(rows, key=_first):
        turn.tell(
            Subject(project.project_id, project.workspace, task_id), "task.cancelled", key=key
        )
    turn.tally(project.project_id).ended += len(rows)


def drop_tasks(turn: Turn, project: Subject, task_ids: Sequence[str]) -> Transaction[None]:
    """Take tasks out of the plan; those that are pending are cancelled. Phases are counted after."""
    yield Query("UPDATE tasks SET node = -1 WHERE id IN EACH($1)", (list(task_ids),))
    rows = yield Query(
        "UPDATE tasks SET status = 'cancelled', finished_at = NOW_US(), subtask_id = NULL "
        "WHERE id IN EACH($1) AND status = 'pending' RETURNING key, id",
        (list(task_ids),),
    )
    for key, task_id in sorted(map(tuple, rows)):
        subject = Subject(project.project_id, project.workspace, task_id)
        turn.tell(subject, "task.cancelled", key=key)


def reopen_tasks(turn: Turn, project: Subject, task_ids: Sequence[str]) -> Transaction[None]:
    """Make tasks pending that did not succeed; they let go of the subtask they had.

    Phases are counted after.
    """
    rows = yield Query(
        "UPDATE tasks SET status = 'pending', error = NULL, finished_at = NULL, "
        "earlier_subtask_id = COALESCE(subtask_id, earlier_subtask_id), subtask_id = NULL "
        "WHERE id IN EACH($1) AND status IN EACH($2) RETURNING key, id",
        (list(task_ids), REOPENED),
    )
    for key, task_id in sorted(map(tuple, rows)):
        subject = Subject(project.project_id, project.workspace, task_id)
        turn.tell(subject, "task.reset", key=key)


def reset_tasks(turn: Turn, project: Subject) -> Transaction[list[str]]:
    """Reopen failed, skipped and cancelled tasks for a retry; return their ids in plan order.

    They let go of the subtask they had: a pending task that has one is queued.
    """
    whose = "project_id = $1 AND node >= 0"
    yield from _count(whose, turn, project.project_id, REOPENED, TaskState.PENDING)
    rows = yield Query(
        "UPDATE tasks SET status = 'pending', error = NULL, finished_at = NULL, "
        "earlier_subtask_id = COALESCE(subtask_id, earlier_subtask_id), subtask_id = NULL "
        "WHERE project_id = $1 AND node >= 0 AND status IN EACH($2) RETURNING node, id, key",
        (project.project_id, REOPENED),
    )
    for _, task_id, key in sorted(rows, key=_first):
        turn.tell(Subject(project.project_id, project.workspace, task_id), "task.reset", key=key)
    return [row[1] for row in sorted(rows, key=_first)]


def _count(
    which: str, turn: Turn, whose: str | list[str], sources: Sequence[str], then: TaskState
) -> Transaction[None]:
    """Count tasks out of what they show and into what they are about to; projects are locked."""
    rows = yield Query(
        " ".join(
            (
                "SELECT project_id, phase, CASE WHEN status = 'pending' AND subtask_id IS NOT NULL",
                "THEN 'queued' ELSE status END AS shown, count(*) FROM tasks WHERE",
                which,
                "AND status IN EACH($2) GROUP BY project_id, phase, shown",
            )
        ),
        (whose, list(sources)),
    )
    for project_id, phase, shown, number in rows:
        turn.count(project_id, phase, shown, then.value, number)
