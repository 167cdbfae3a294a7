"""What the end of tasks sets free: counters go down, tasks are queued, the project ends.

The cost of a finished task is its out-degree, not the size of its project.
"""

import json
from collections.abc import Sequence
from typing import Final

from nexus.domain.seam import Json
from nexus.domain.states import ProjectState
from nexus.models.writing import Query, Row, Transaction
from nexus.orchestrator.queueing import NO_SHARE, Queued, Share, queue_tasks
from nexus.orchestrator.transitions.projects import move_project
from nexus.orchestrator.transitions.tasks import skip_tasks
from nexus.orchestrator.turn import Subject, Turn

MAX_QUOTED: Final = 500

COUNT_DOWN: Final = (
    "UPDATE nodes SET blocked_by = blocked_by - over.n FROM "
    "(SELECT e.project_id, e.target, count(*) AS n "
    "FROM EACH OF $1 (project TEXT, node BIGINT) AS j "
    "CROSS JOIN edges e WHERE e.project_id = j.project AND e.source = j.node "
    "GROUP BY e.project_id, e.target) AS over "
    "WHERE nodes.project_id = over.project_id AND nodes.node = over.target "
    "RETURNING nodes.project_id, nodes.node, blocked_by, task_id"
)
"""CROSS JOIN fixes SQLite's order: from the few that ended to their edges."""


def advance(
    turn: Turn, ended: Sequence[tuple[str, int]], share: Share = NO_SHARE
) -> Transaction[Queued]:
    """Move projects on after the tasks at these (project, node) places ended, however they did."""
    freed = yield from _count_down(ended)
    return (yield from queue_tasks(turn, freed, share)) if freed else Queued()


def advance_past_failure(turn: Turn, project: Subject, node: int, key: str) -> Transaction[None]:
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
    yield from advance(turn, [(project.project_id, one) for one in (node, *skipped)])


def _count_down(ended: Sequence[tuple[str, int]]) -> Transaction[list[str]]:
    """Count down what the ended nodes held back; return the tasks nothing holds back now."""
    freed: list[str] = []
    frontier = list(ended)
    while frontier:
        rows = yield Query(COUNT_DOWN, (frontier,))
        opened = [row for row in rows if row[2] == 0]
        freed += [row[3] for row in opened if row[3]]
        frontier = [(row[0], row[1]) for row in opened if not row[3]]
    return freed


def close(turn: Turn) -> Transaction[None]:
    """Write what a turn has to say, and end the projects whose last task ended in it."""
    ended = yield from turn.write_events()
    over = [row for row in ended if row[3] == ProjectState.RUNNING and row[4] == 0]
    for project_id, *_, total, well, workspace in over:
        yield from _end(turn, Subject(project_id, workspace), total=total, well=well)
    if over:
        yield from turn.write_events()


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
