"""The ManagerAgent amends the rest of a plan: asked for by a person, or by what went wrong.

While an amendment is on its way its project does not end. One is asked for by the engine
itself only in plans the manager wrote, only so often, and not where a person approves of plans.
"""

from dataclasses import replace
from typing import Final

from nexus.domain.amending import amend
from nexus.domain.consent import Policy
from nexus.domain.graph import compile_plan
from nexus.domain.plan import Plan
from nexus.domain.seam import Json
from nexus.domain.states import ProjectState, SubtaskKind, TaskState
from nexus.models.writing import Many, Query, Transaction
from nexus.orchestrator.advancing import MAX_QUOTED, advance_past_failure
from nexus.orchestrator.amending import LASTING, Amendment, read_plan, read_standings
from nexus.orchestrator.newborn import MAX_PLAN_CALLS, NewSubtask
from nexus.orchestrator.starting import ask_about_plan, start_unless_asked
from nexus.orchestrator.transitions.closing import INSERT_SUBTASK
from nexus.orchestrator.transitions.projects import move_project
from nexus.orchestrator.transitions.tasks import finish_tasks
from nexus.orchestrator.turn import Subject, Turn

MOST_BY_ITSELF: Final = 2
"""How often the engine asks for an amendment of one project without being told to."""
STALL: Final = 6
"""So many attempts in a row that came to nothing, with no task ended well between, are a stall."""
LOOKED_BACK: Final = 200
"""How many of a project's last events are looked through for a stall."""
HOPEFUL: Final = frozenset(
    {
        "agent_error",
        "call_rejected",
        "empty_output",
        "limit_reached",
        "model_calls_exhausted",
        "model_output_invalid",
        "output_too_large",
        "permanent_failure",
        "rejected",
        "timeout",
    }
)
"""Failures of a task that another way may avoid; the rest would meet the manager as well."""


def queue_replan(
    turn: Turn, project: Subject, because: str, comment: str | None = None
) -> Transaction[str]:
    """Queue an amendment of a project's plan; return its subtask's id."""
    made = NewSubtask(
        SubtaskKind.REPLAN,
        "manager",
        project.workspace,
        project_id=project.project_id,
        max_model_calls=MAX_PLAN_CALLS,
    )
    yield Many(INSERT_SUBTASK, [made.row()])
    yield Query(
        "INSERT INTO replans (subtask_id, project_id, workspace, because, comment, created_at) "
        "VALUES ($1, $2, $3, $4, $5, NOW_US())",
        (made.id, project.project_id, project.workspace, because, comment),
    )
    turn.tell(made.subject(None), "subtask.queued", kind=made.kind.value)
    turn.waiting.add(project.project_id)
    return made.id


def is_being_amended(project_id: str) -> Transaction[bool]:
    """Tell whether an amendment of a project's plan is on its way."""
    rows = yield Query(
        "SELECT 1 FROM subtasks WHERE project_id = $1 AND kind = 'replan' "
        "AND status IN ('queued', 'running', 'waiting') LIMIT 1",
        (project_id,),
    )
    return bool(rows)


def fit_amendment(project: Subject, proposed: Plan, subtask_id: str) -> Transaction[Amendment]:
    """Join a proposed plan with what has begun since the manager looked.

    Raises:
        InvalidInput: the two do not go together.
    """
    rows = yield Query("SELECT plan_version FROM projects WHERE id = $1", (project.project_id,))
    present = yield from read_plan(project, rows[0][0])
    standings = yield from read_standings(project)
    kept = [key for key, row in standings.items() if row.node >= 0 and row.state in LASTING]
    plan = amend(present, kept, proposed)
    graph = compile_plan(plan, frozenset(task.agent for _, _, task in plan.tasks()))
    reasons = yield Query(
        "SELECT because, comment FROM replans WHERE subtask_id = $1", (subtask_id,)
    )
    return Amendment(plan, graph, "manager", reasons[0][0], reasons[0][1])


def go_on(turn: Turn, project: Subject, error: dict[str, Json] | None = None) -> Transaction[None]:
    """Let a project go on with the plan it has: after an amendment or, for an `error`, without one.

    One that was planned is so again, and a new plan of it starts or is asked about as its first
    was; the plan of before never starts by itself. One in which nothing is left to do ends or
    rests, once what the turn has queued is written.
    """
    rows = yield Query(
        "SELECT status, plan_version, tasks_total FROM projects WHERE id = $1",
        (project.project_id,),
    )
    status, version, tasks = rows[0]
    if status != ProjectState.PLANNING:
        turn.resting.add(project.project_id)
        return
    told: dict[str, Json] = {"plan_version": version, "tasks": tasks, "safe": None}
    told["error"] = error
    yield from move_project(turn, project, ProjectState.PLANNED, "project.planned", **told)
    if error is None:
        yield from start_unless_asked(turn, project)
    else:
        lead = f"There is no new plan: {str(error['message'])[:MAX_QUOTED].rstrip('.')}. "
        yield from ask_about_plan(turn, project, lead)


def plan_anew(turn: Turn, project: Subject, version: int, comment: str | None) -> Transaction[None]:
    """Take a planned project back to planning."""
    told: dict[str, Json] = {"because": "requested", "comment": comment}
    nothing: dict[str, Json] = {"added": [], "changed": [], "dropped": []}
    nothing |= {"reason": None, "safe": None}
    yield from move_project(
        turn,
        project,
        ProjectState.PLANNING,
        "project.replanned",
        plan_version=version,
        status=ProjectState.PLANNING.value,
        **told,
        **nothing,
    )


def consider_replan(turn: Turn, project: Subject, code: str) -> Transaction[None]:
    """Ask for an amendment after a task has failed with `code`, where that may help."""
    if code in HOPEFUL:
        because = "task_rejected" if code == "rejected" else "task_failed"
        yield from _ask(turn, project, because)


def fail_task(turn: Turn, subject: Subject, error: dict[str, Json]) -> Transaction[None]:
    """Fail a task and skip what hangs on it; ask for an amendment where that may help."""
    project = Subject(subject.project_id, subject.workspace)
    for _, _, node, key, _ in (yield from finish_tasks(turn, [subject], TaskState.FAILED, error)):
        yield from advance_past_failure(turn, project, node, key)
        yield from consider_replan(turn, project, str(error["code"]))


def consider_stall(turn: Turn, project: Subject) -> Transaction[None]:
    """Ask for an amendment if attempt after attempt has come to nothing."""
    rows = yield Query(
        "SELECT count(*) FROM events e, projects p WHERE p.id = $1 AND e.project_id = $1 "
        "AND e.seq > p.seq - $2 AND e.type = 'subtask.retrying' AND e.task_id IS NOT NULL "
        "AND e.seq > COALESCE((SELECT max(o.seq) FROM events o WHERE o.project_id = $1 "
        "AND o.seq > p.seq - $2 AND o.type IN ('task.succeeded', 'project.replanned')), 0)",
        (project.project_id, LOOKED_BACK),
    )
    if rows[0][0] >= STALL:
        yield from _ask(turn, project, "stalled")


def _ask(turn: Turn, project: Subject, because: str) -> Transaction[None]:
    rows = yield Query(
        "SELECT 1 FROM projects p JOIN plan_versions v ON v.project_id = p.id AND v.version = 1 "
        "WHERE p.id = $1 AND p.status = 'running' AND p.approvals <> $3 AND v.author = 'manager' "
        "AND (SELECT count(*) FROM replans r WHERE r.project_id = $1 "
        "AND r.because <> 'requested') < $2",
        (project.project_id, MOST_BY_ITSELF, Policy.ALL.value),
    )
    if rows and not (yield from is_being_amended(project.project_id)):
        yield from queue_replan(turn, replace(project, task_id=None, subtask_id=None), because)
