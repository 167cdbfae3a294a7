"""Projects that run and have nothing left that could move them: mended, or ended with a reason.

No path of the engine leads there; a database that was restored or edited, or a fault of
ours, may. Called by the pulse now and then; looks first, and writes only what is wrong.
"""

import json
from collections import Counter
from functools import partial
from typing import Final

import structlog

from nexus.domain.seam import Json
from nexus.domain.states import ProjectState, TaskState
from nexus.models.writing import Query, Row, Transaction
from nexus.orchestrator.advancing import advance_past_failure, end_project
from nexus.orchestrator.engine import WorkflowEngine
from nexus.orchestrator.planting import ready_tasks
from nexus.orchestrator.queueing import queue_tasks
from nexus.orchestrator.steering import recount
from nexus.orchestrator.transitions.offshoots import queue_review
from nexus.orchestrator.transitions.projects import move_project
from nexus.orchestrator.transitions.tasks import cancel_tasks, finish_tasks
from nexus.orchestrator.turn import Subject, Turn, lock_projects

BATCH: Final = 20
STILL_US: Final = 10_000_000
"""How long nothing must have changed in a project before it is looked into."""
OPEN: Final = (TaskState.PENDING, TaskState.RUNNING, TaskState.WAITING)
STALLED: Final = (
    "SELECT p.id FROM projects p WHERE p.status IN ('running', 'planning') "
    "AND p.updated_at < NOW_US() - $1 AND NOT EXISTS (SELECT 1 FROM subtasks s "
    "WHERE s.project_id = p.id AND s.status IN ('pending', 'queued', 'running', 'waiting')) "
)

log = structlog.get_logger()


async def mend_stalled(engine: WorkflowEngine, still_us: int = STILL_US) -> int:
    """Look for such projects and mend them; return how many there were."""
    stalled = await engine.run(lambda turn: _stalled(still_us))
    for project_id in stalled:
        await engine.run(partial(_mend, project_id=project_id, still_us=still_us))
    return len(stalled)


def _stalled(still_us: int) -> Transaction[list[str]]:
    rows = yield Query(f"{STALLED} LIMIT $2", (still_us, BATCH))
    return [row[0] for row in rows]


def _mend(turn: Turn, *, project_id: str, still_us: int) -> Transaction[None]:
    yield from lock_projects([project_id])
    found = yield Query(f"{STALLED} AND p.id = $2", (still_us, project_id))
    if not found:
        return  # somebody else was quicker
    rows = yield Query("SELECT workspace, status FROM projects WHERE id = $1", (project_id,))
    project = Subject(project_id, rows[0][0])
    log.warning("project.stalled", project_id=project_id, status=rows[0][1])
    if rows[0][1] == ProjectState.PLANNING:
        yield from _give_up(turn, project, "nothing plans it any more")
        return
    states = yield from _count_anew(project_id)
    total, well = states.total(), states[TaskState.SUCCEEDED]
    if well == total or (states[TaskState.FAILED] and not any(states[one] for one in OPEN)):
        yield from end_project(turn, project, total, well)
        return
    moved = yield from _end_tasks(turn, project)
    yield from recount(turn, project)
    queued = yield from queue_tasks(turn, (yield from ready_tasks(project_id)))
    if not (moved or queued.waiting or queued.taken):
        yield from _give_up(turn, project, "none of its open tasks can become ready")


def _count_anew(project_id: str) -> Transaction[Counter[TaskState]]:
    """Set a project's counters from its tasks; return how many are in each state."""
    rows = yield Query(
        "SELECT status FROM tasks WHERE project_id = $1 AND node >= 0", (project_id,)
    )
    states = Counter(TaskState(row[0]) for row in rows)
    yield Query(
        "UPDATE projects SET tasks_open = $2, tasks_succeeded = $3 WHERE id = $1",
        (project_id, sum(states[one] for one in OPEN), states[TaskState.SUCCEEDED]),
    )
    return states


def _end_tasks(turn: Turn, project: Subject) -> Transaction[int]:
    """End open tasks whose subtask is over, as it ended; return how many there were."""
    rows = yield Query(
        "SELECT t.id, s.id, s.attempt, s.status, s.error, t.review, s.kind FROM tasks t "
        "JOIN subtasks s ON s.id = t.subtask_id WHERE t.project_id = $1 "
        "AND t.status IN ('pending', 'running', 'waiting') "
        "AND s.status IN ('succeeded', 'failed', 'cancelled') ORDER BY t.node",
        (project.project_id,),
    )
    moved = 0
    for row in rows:
        subject = Subject(project.project_id, project.workspace, row[0], row[1], row[2])
        if row[3] == "succeeded" and row[5] and row[6] != "review":
            yield from queue_review(turn, subject)
            moved += 1
            continue
        if row[3] == "succeeded":
            moved += len((yield from finish_tasks(turn, [subject], TaskState.SUCCEEDED)))
            continue
        error = _error_of(row)
        for _, _, node, key, _ in (
            yield from finish_tasks(turn, [subject], TaskState.FAILED, error)
        ):
            yield from advance_past_failure(turn, project, node, key)
            moved += 1
    return moved


def _error_of(row: Row) -> Json:
    if row[4]:
        error: Json = json.loads(row[4])
        return error
    return {
        "code": "subtask_over",
        "message": f"its subtask was {row[3]} and the task was not told",
        "task_id": row[0],
        "hint": "retry the project",
    }


def _give_up(turn: Turn, project: Subject, why: str) -> Transaction[None]:
    error: Json = {
        "code": "stalled",
        "message": f"the project had stopped moving: {why}",
        "task_id": None,
        "hint": "POST /projects/{id}/retry goes on with what is finished; "
        "tell us if this happens again",
    }
    yield from cancel_tasks(turn, project)
    yield from move_project(turn, project, ProjectState.FAILED, "project.failed", error=error)
