"""What the end of tasks sets free: counters go down, tasks are queued, the project ends.

The cost of a finished task is its out-degree, not the size of its project.
"""

import json
from typing import Final

from nexus.domain.seam import Json
from nexus.domain.states import ProjectState
from nexus.models.writing import Query, Row, Transaction
from nexus.orchestrator.queueing import announce_project, queue_tasks
from nexus.orchestrator.transitions.closing import write_down
from nexus.orchestrator.transitions.ending import count_down
from nexus.orchestrator.transitions.projects import move_project
from nexus.orchestrator.transitions.tasks import skip_tasks
from nexus.orchestrator.transitions.waiting import rest_project
from nexus.orchestrator.turn import Subject, Turn

MAX_QUOTED: Final = 500
VERBS: Final = {"skipped": "was skipped", "cancelled": "was cancelled"}


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
    freed = yield from count_down([(project.project_id, one) for one in (node, *skipped)])
    yield from queue_tasks(turn, freed)


def close(turn: Turn) -> Transaction[None]:
    """Write what a turn has to say; end the projects whose last task ended in it, rest those
    in which a person has to move what is left."""
    ended = turn.resting | {one for one, tally in turn.tallies.items() if tally.ended}
    projects = yield from write_down(turn)
    for project_id, _, _, status, still_open, total, well, workspace, waits in projects:
        project = Subject(project_id, workspace)
        if project_id not in ended or status != ProjectState.RUNNING:
            continue
        is_over = still_open == 0 and (yield from end_project(turn, project, total, well))
        if waits and not is_over:
            yield from rest_project(turn, project)
    for project_id in sorted(turn.waiting):
        yield from announce_project(turn, project_id)
    yield from write_down(turn)


def settle_project(turn: Turn, project: Subject) -> Transaction[None]:
    """End a running project that has nothing open, or let it rest if only a person can move it."""
    rows = yield Query(
        "SELECT tasks_open, tasks_total, tasks_succeeded FROM projects "
        "WHERE id = $1 AND status = 'running'",
        (project.project_id,),
    )
    if not rows:
        return
    still_open, total, well = rows[0]
    if still_open or not (yield from end_project(turn, project, total, well)):
        yield from rest_project(turn, project)


def end_project(turn: Turn, project: Subject, total: int, well: int) -> Transaction[bool]:
    """End a running project whose tasks are all over, `well` of them well.

    Returns:
        False if an amendment of its plan is on its way, which may wait as tasks do.
    """
    if well == total:
        return (yield from move_project(turn, project, ProjectState.SUCCEEDED, "project.succeeded"))
    rows = yield Query(
        "SELECT id, key, status, error FROM tasks WHERE project_id = $1 AND node >= 0 "
        "AND status <> 'succeeded' ORDER BY CASE status WHEN 'failed' THEN 0 ELSE 1 END, "
        "finished_at, node LIMIT 1",
        (project.project_id,),
    )
    error = _why(rows[0], lost=total - well, total=total)
    return (
        yield from move_project(turn, project, ProjectState.FAILED, "project.failed", error=error)
    )


def _why(first: Row, *, lost: int, total: int) -> dict[str, Json]:
    """Say why a project failed: what its first failed task says, and how much else is lost."""
    task_id, key, status, text = first
    told = json.loads(text) if text else {"message": "it was taken up by no new plan"}
    rest = f" ({lost} of {total} tasks did not succeed)" if total > 1 else ""
    hints = (told.get("hint"), "POST /projects/{id}/retry keeps what is finished")
    return {
        "code": "tasks_failed",
        "message": f"the task {key} {VERBS.get(status, status)}: {told['message'][:MAX_QUOTED]}{rest}",
        "task_id": task_id,
        "hint": "; ".join(hint for hint in hints if hint),
    }
