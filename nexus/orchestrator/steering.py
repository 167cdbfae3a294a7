"""What a person may do to a project's run: execute, pause, resume, cancel, retry, replan."""

from collections.abc import Collection
from typing import Final

from nexus.domain.graph import Edge, Graph, Progress
from nexus.domain.seam import Json
from nexus.domain.states import ProjectState, TaskState, check_project_move
from nexus.errors import Conflict, PreconditionFailed
from nexus.models.writing import Many, Query, Transaction
from nexus.orchestrator.advancing import settle_project
from nexus.orchestrator.amending import Amendment, amend_plan
from nexus.orchestrator.asking import expire_approvals
from nexus.orchestrator.budgeting import go_on, resume_on_budget
from nexus.orchestrator.creating import lock_project
from nexus.orchestrator.planting import ready_tasks
from nexus.orchestrator.queueing import announce_project, queue_planning, queue_tasks
from nexus.orchestrator.replanning import is_being_amended, plan_anew, queue_replan
from nexus.orchestrator.starting import ask_about_plan, start
from nexus.orchestrator.transitions.parts import forget_parts
from nexus.orchestrator.transitions.projects import forget_error, move_project
from nexus.orchestrator.transitions.reserving import forget_reservations
from nexus.orchestrator.transitions.subtasks import (
    cancel_amendment,
    cancel_subtasks,
    forget_announcements,
    give_time_back,
)
from nexus.orchestrator.transitions.tasks import cancel_tasks, reset_tasks, skip_tasks
from nexus.orchestrator.transitions.waiting import resume_project
from nexus.orchestrator.turn import Subject, Turn

REPLANNED: Final = ("planned", "running", "waiting", "failed", "cancelled")
EDITED: Final = ("planned", "paused", "failed")


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
    project = Subject(project_id, workspace)
    yield from expire_approvals(turn, project)  # of the plan: this is the answer
    queued = yield from start(turn, project)
    return len(queued.waiting)


def is_plan_unapproved(
    workspace: str, project_id: str, states: Collection[ProjectState]
) -> Transaction[bool]:
    """Tell whether a project in one of `states` has a plan that was put to a person, and never ran.

    To approve of a plan is to start it. The project stays locked.
    """
    yield from lock_project(workspace, project_id)
    rows = yield Query(
        "SELECT 1 FROM projects p WHERE p.id = $1 AND p.status IN EACH($2) "
        "AND p.started_at IS NULL AND EXISTS "
        "(SELECT 1 FROM approvals a WHERE a.project_id = p.id AND a.kind = 'plan')",
        (project_id, [one.value for one in states]),
    )
    return bool(rows)


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
    yield from forget_parts(project_id)
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
        "SELECT count(*) FROM tasks WHERE project_id = $1 AND node >= 0 AND status <> 'succeeded'",
        (project.project_id,),
    )
    reopened: Json = rows[0][0]
    yield from move_project(turn, project, ProjectState.RUNNING, "project.retried", tasks=reopened)
    yield from reset_tasks(turn, project)
    yield Query(
        "UPDATE projects SET tasks_open = $2 WHERE id = $1", (project.project_id, rows[0][0])
    )
    yield from recount(turn, project)
    ready = yield from ready_tasks(project.project_id)
    yield from queue_tasks(turn, ready)
    yield from settle_project(turn, project)


def replan(turn: Turn, workspace: str, project_id: str, comment: str | None) -> Transaction[None]:
    """Let the ManagerAgent amend what is left of a project's plan; finished work is kept.

    Raises:
        Conflict: it has no plan, is paused, has succeeded, or is being amended already.
    """
    status, plan_version, _ = yield from lock_project(workspace, project_id)
    project = Subject(project_id, workspace)
    if not plan_version or status not in REPLANNED:
        raise Conflict(
            f"cannot replan a project that is {status}",
            code="illegal_transition",
            hint=f"only one that is {', '.join(REPLANNED)} is replanned",
        )
    if (yield from is_being_amended(project_id)):
        raise Conflict(
            "the plan of this project is being amended already",
            code="already_replanning",
            hint="wait for project.replanned in its events, then look at the plan",
        )
    if status == ProjectState.PLANNED:
        yield from expire_approvals(turn, project)
        yield from plan_anew(turn, project, plan_version, comment)
    elif status == ProjectState.WAITING:
        yield from resume_project(turn, project)
    elif status in (ProjectState.FAILED, ProjectState.CANCELLED):
        yield from move_project(turn, project, ProjectState.RUNNING, "project.retried", tasks=0)
        yield from recount(turn, project)
        yield from queue_tasks(turn, (yield from ready_tasks(project_id)))
    yield from queue_replan(turn, project, "requested", comment)


def edit_plan(
    turn: Turn, workspace: str, project_id: str, new: Amendment, expected: int | None
) -> Transaction[int]:
    """Put a plan of a person's in the place of a project's; return its version.

    What was asked about the plan of before is asked anew.

    Raises:
        Conflict: the project is not planned, paused or failed.
        PreconditionFailed: its plan is not of the version `expected`.
        InvalidInput: it changes what is finished.
    """
    status, plan_version, _ = yield from lock_project(workspace, project_id)
    if status not in EDITED or not plan_version:
        raise Conflict(
            f"cannot change the plan of a project that is {status}",
            code="illegal_transition",
            hint="pause it first" if status in ("running", "waiting") else "it has no such plan",
        )
    if expected not in (None, plan_version):
        raise PreconditionFailed(
            f"the plan is at version {plan_version}, not {expected}",
            hint="read it again, and change what is there now",
        )
    project = Subject(project_id, workspace)
    yield from cancel_amendment(turn, project)
    if status != ProjectState.PLANNED:
        return (yield from amend_plan(turn, project, new))
    yield from expire_approvals(turn, project)
    yield from forget_error(project_id)
    version = yield from amend_plan(turn, project, new)
    yield from ask_about_plan(turn, project)
    return version


def recount(turn: Turn, project: Subject) -> Transaction[None]:
    """Set every node's counter from the states of the tasks, and skip what those leave nothing for.

    Once a retry, never on the hot path.
    """
    project_id = project.project_id
    states = yield Query(
        "SELECT status, key, id FROM tasks WHERE project_id = $1 AND node >= 0 ORDER BY node",
        (project_id,),
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
    progress = Progress(graph, [TaskState(row[0]) for row in states])
    culprit = progress.culprit()
    skipped = [states[node][2] for node in progress.settle_skips()]
    if skipped:
        yield from skip_tasks(turn, project, skipped, culprit)
    yield Many(
        "UPDATE nodes SET blocked_by = $3 WHERE project_id = $1 AND node = $2",
        [(project_id, node, count) for node, count in enumerate(progress.blocked_by())],
    )
