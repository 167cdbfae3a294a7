"""What the end of tasks sets free: counters go down, tasks are queued, the project ends.

The cost of a finished task is its out-degree, not the size of its project.
"""

import json
from collections.abc import Sequence
from typing import Final

from nexus.domain.seam import Json
from nexus.domain.states import ProjectState
from nexus.models.writing import Query, Row, Transaction
from nexus.orchestrator.queueing import announce_project, queue_tasks
from nexus.orchestrator.transitions import move_project, skip_tasks
from nexus.orchestrator.turn import Subject, Turn
from nexus.orchestrator.waiting import rest_project

MAX_QUOTED: Final = 500


def advance(
    turn: Turn, project: Subject, nodes: Sequence[int], *, succeeded: int
) -> Transaction[list[str]]:
    """Move a project on after the tasks at `nodes` ended, `succeeded` of them well.

    Returns:
        The ids of the subtasks that were queued because of it.
    """
    freed = yield from _count_down(project.project_id, nodes)
    queued = (yield from queue_tasks(turn, project, freed)) if freed else []
    yield from announce_project(turn, project.project_id)
    rows = yield Query(
        "UPDATE projects SET tasks_open = tasks_open - $2, tasks_succeeded = tasks_succeeded + $3 "
        "WHERE id = $1 RETURNING tasks_open, tasks_total, tasks_succeeded, "
        "EXISTS (SELECT 1 FROM approvals a WHERE a.project_id = $1 AND a.status = 'pending')",
        (project.project_id, len(nodes), succeeded),
    )
    still_open, total, well, is_asking = rows[0]
    if still_open == 0:
        yield from _end(turn, project, total=total, well=well)
    elif is_asking and not queued:
        yield from rest_project(turn, project)
    return queued


def advance_past_failure(
    turn: Turn, project: Subject, node: int, key: str
) -> Transaction[list[str]]:
    """Move a project on after the task `key` at `node` failed: skip what depends on it."""
    rows = yield Query(
        "WITH RECURSIVE hit(node) AS ("
        "SELECT target FROM edges WHERE project_id = $1 AND source = $2 AND data = 1 "
        "UNION SELECT e.target FROM edges e JOIN hit ON e.source = hit.node "
        "WHERE e.project_id = $1 AND e.data = 1) "
        "SELECT t.id FROM hit JOIN tasks t ON t.node = hit.node AND t.project_id = $1 "
        "WHERE t.status = 'pending'",
        (project.project_id, node),
    )
    skipped: list[int] = []
    if rows:
        skipped = yield from skip_tasks(turn, project, [row[0] for row in rows], key)
    return (yield from advance(turn, project, [node, *skipped], succeeded=0))


def _count_down(project_id: str, nodes: Sequence[int]) -> Transaction[list[str]]:
    """Count down what the ended nodes held back; return the tasks nothing holds back now."""
    freed: list[str] = []
    frontier = list(nodes)
    while frontier:
        rows = yield Query(
            "UPDATE nodes SET blocked_by = blocked_by - ended.n FROM "
            "(SELECT target, count(*) AS n FROM edges WHERE project_id = $1 "
            "AND source IN EACH($2) GROUP BY target) AS ended "
            "WHERE nodes.project_id = $1 AND nodes.node = ended.target "
            "RETURNING node, blocked_by, task_id",
            (project_id, frontier),
        )
        opened = [row for row in rows if row[1] == 0]
        freed += [row[2] for row in opened if row[2]]
        frontier = [row[0] for row in opened if not row[2]]
    return freed


def _end(turn: Turn, project: Subject, *, total: int, well: int) -> Transaction[None]:
    if well == total:
        yield from move_project(turn, project, ProjectState.SUCCEEDED, "project.succeeded")
        return
    rows = yield Query(
        "SELECT id, key, error FROM tasks WHERE project_id = $1 AND status = 'failed' "
        "ORDER BY finished_at, node LIMIT 1",
        (project.project_id,),
    )
    error = _why(rows[0], lost=total - well, total=total)
    yield from move_project(turn, project, ProjectState.FAILED, "project.failed", error=error)


def _why(first: Row, *, lost: int, total: int) -> dict[str, Json]:
    """Say why a project failed: what its first failed task says, and how much else is lost."""
    task_id, key, text = first
    told = json.loads(text)
    rest = f" ({lost} of {total} tasks did not succeed)" if total > 1 else ""
    hints = (told.get("hint"), "POST /projects/{id}/retry keeps what is finished")
    return {
        "code": "tasks_failed",
        "message": f"the task {key} failed: {told['message'][:MAX_QUOTED]}{rest}",
        "task_id": task_id,
        "hint": "; ".join(hint for hint in hints if hint),
    }
