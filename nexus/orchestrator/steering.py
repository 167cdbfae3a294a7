"""What a person may do to a project's run: execute, pause, resume, cancel, retry."""

from collections.abc import Sequence

from nexus.domain.graph import Edge, Graph, Progress
from nexus.domain.seam import Json
from nexus.domain.states import ProjectState, TaskState, check_project_move
from nexus.errors import Conflict
from nexus.models.writing import Many, Query, Transaction
from nexus.orchestrator.advancing import settle_project
from nexus.orchestrator.asking import expire_approvals
from nexus.orchestrator.budgeting import go_on, resume_on_budget
from nexus.orchestrator.creating import lock_project
from nexus.orchestrator.planting import ready_tasks
from nexus.orchestrator.queueing import announce_project, queue_planning, queue_tasks
from nexus.orchestrator.settling import start
from nexus.orchestrator.transitions.projects import move_project
from nexus.orchestrator.transitions.reserving import forget_reservations
from nexus.orchestrator.transitions.subtasks import (
    cancel_subtasks,
    forget_announcements,
    give_time_back,
)
from nexus.orchestrator.transitions.tasks import cancel_tasks, reset_tasks
from nexus.orchestrator.turn import Subject, Turn


def execute(turn: Turn, workspace: str, project_id: str) -> Transaction[int]:
    """Start a planned project; return how many subtasks were queued.

    Raises:
        Conflict: it is not planned.
    """
    status, *_ = yield from lock_project(workspace, project_id)
    if status != ProjectState.PLANNED:
        raise Conflict(
            f"cannot execute a project that is {status}",
            code="illegal_transition",
            hint="execute starts a planned project; POST /projects/{id}/retry runs a failed one again",
        )
    queued = yield from start(turn, Subject(project_id, workspace))
    return len(queued.waiting)


def cancel(turn: Turn, workspace: str, project_id: str) -> Transaction[None]:
    """Cancel a project and all its open work; no effect begins after the commit.

    Raises:
        Conflict: it is over already.
    """
    status, *_ = yield from lock_project(workspace, project_id)
    check_project_move(ProjectState(status), ProjectState.CANCELLED, "cancel")
    project = Subject(project_id, workspace)
    yield from expire_approvals(turn, project)
    yield from forget_reservations(project_id)
    yield from cancel_subtasks(turn, project)
    yield from cancel_tasks(turn, project)
    yield from move_project(turn, project, ProjectState.CANCELLED, "project.cancelled")


def pause(turn: Turn, workspace: str, project_id: str) -> Transaction[None]:
    """Let running attempts finish and begin nothing new.

    Raises:
        Conflict: it neither runs nor waits.
    """
    status, *_ = yield from lock_project(workspace, project_id)
    check_project_move(ProjectState(status), ProjectState.PAUSED, "pause")
    project = Subject(project_id, workspace)
    yield from forget_announcements(project_id)
    yield from move_project(turn, project, ProjectState.PAUSED, "project.paused")


def resume(turn: Turn, workspace: str, project_id: str) -> Transaction[ProjectState]:
    """Let a project go on that is paused or waits for its budget; return its new state.

    Raises:
        Conflict: it is not paused, and does not wait for a budget that was raised.
    """
    status, *_ = yield from lock_project(workspace, project_id)
    project = Subject(project_id, workspace)
    if status == ProjectState.PAUSED:
        yield from give_time_back(project_id)
        yield from move_project(turn, project, ProjectState.RUNNING, "project.resumed")
        yield from go_on(turn, project)
        yield from settle_project(turn, project)
    elif status == ProjectState.WAITING:
        yield from resume_on_budget(turn, project)
    else:
        raise Conflict(
            f"cannot resume a project that is {status}",
            code="illegal_transition",
            hint="only a project that is paused, or waits for its budget, is resumed",
        )
    yield from announce_project(turn, project_id)
    rows = yield Query("SELECT status FROM projects WHERE id = $1", (project_id,))
    return ProjectState(rows[0][0])


def retry(turn: Turn, workspace: str, project_id: str) -> Transaction[ProjectState]:
    """Run a failed or cancelled project again; finished work is kept. Returns its new state.

    Raises:
        Conflict: it neither failed nor was cancelled.
    """
    status, plan_version, _ = yield from lock_project(workspace, project_id)
    if status not in (ProjectState.FAILED, ProjectState.CANCELLED):
        raise Conflict(
            f"cannot retry a project that is {status}",
            code="illegal_transition",
            hint="only a failed or cancelled project is retried",
        )
    then = ProjectState.RUNNING if plan_version else ProjectState.PLANNING
    project = Subject(project_id, workspace)
    if then is ProjectState.PLANNING:
        yield from move_project(turn, project, then, "project.retried", tasks=0)
        yield from queue_planning(turn, project)
        yield from announce_project(turn, project_id)
    else:
        yield from _reopen(turn, project)
    return then


def _reopen(turn: Turn, project: Subject) -> Transaction[None]:
    rows = yield Query(
        "SELECT count(*) FROM tasks WHERE project_id = $1 AND status <> 'succeeded'",
        (project.project_id,),
    )
    reopened: Json = rows[0][0]
    yield from move_project(turn, project, ProjectState.RUNNING, "project.retried", tasks=reopened)
    yield from reset_tasks(turn, project)
    yield Query(
        "UPDATE projects SET tasks_open = $2 WHERE id = $1", (project.project_id, rows[0][0])
    )
    yield from recount(project.project_id)
    ready = yield from ready_tasks(project.project_id)
    yield from queue_tasks(turn, ready)


def recount(project_id: str) -> Transaction[None]:
    """Set every node's counter from the states of the tasks: once a retry, never on the hot path."""
    states = yield Query(
        "SELECT status, key FROM tasks WHERE project_id = $1 ORDER BY node", (project_id,)
    )
    nodes = yield Query("SELECT count(*) FROM nodes WHERE project_id = $1", (project_id,))
    edges = yield Query(
        "SELECT source, target, data FROM edges WHERE project_id = $1", (project_id,)
    )
    graph = Graph(
        tuple(row[1] for row in states),
        nodes[0][0] - len(states),
        tuple(Edge(row[0], row[1], bool(row[2])) for row in edges),
    )
    blocked: Sequence[int] = Progress(graph, [TaskState(row[0]) for row in states]).blocked_by()
    yield Many(
        "UPDATE nodes SET blocked_by = $3 WHERE project_id = $1 AND node = $2",
        [(project_id, node, count) for node, count in enumerate(blocked)],
    )
