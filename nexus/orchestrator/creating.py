"""Projects come into being, are edited and go."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from nexus.domain.budget import Budget, every_limit
from nexus.domain.consent import Policy
from nexus.domain.graph import Graph
from nexus.domain.ids import new_id
from nexus.domain.plan import Plan
from nexus.domain.seam import Json
from nexus.domain.states import ProjectState
from nexus.domain.text import clean, dumps
from nexus.errors import Conflict, FieldProblem, InvalidInput, NotFound
from nexus.models.writing import Query, Row, Transaction
from nexus.orchestrator.budgeting import go_on
from nexus.orchestrator.planting import plant_plan
from nexus.orchestrator.queueing import announce_project, queue_planning
from nexus.orchestrator.starting import start_unless_asked
from nexus.orchestrator.transitions.projects import move_project
from nexus.orchestrator.turn import Subject, Turn


@dataclass(frozen=True, slots=True)
class NewProject:
    """What a project is made of; without a plan the ManagerAgent writes one."""

    workspace: str
    goal: str
    name: str
    plan: Plan | None = None
    auto_execute: bool = False
    model: str | None = None
    document_ids: tuple[str, ...] | None = None
    metadata: Mapping[str, Json] = field(default_factory=dict)
    budget: Budget | None = None
    approvals: Policy = Policy.OUTWARD


def create_project(turn: Turn, new: NewProject, graph: Graph | None) -> Transaction[str]:
    """Make a project; `graph` is its compiled plan, if it brings one."""
    yield from check_documents(new.workspace, new.document_ids, "project")
    project = Subject(new_id("prj"), new.workspace)
    yield Query(
        "INSERT INTO projects (id, workspace, name, goal, status, plan_version, auto_execute, model, "
        "document_ids, labels, budget, approvals, requests, input_tokens, output_tokens, "
        "cost_pico_usd, unpriced_requests, tasks_total, tasks_open, tasks_succeeded, seq, ran_us, "
        "moved_at, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $8, $9, $10, "
        "$11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NOW_US(), NOW_US(), NOW_US())",
        (
            project.project_id,
            new.workspace,
            clean(new.name)[:200],
            clean(new.goal),
            ProjectState.PLANNING.value,
            new.auto_execute,
            new.model,
            None if new.document_ids is None else dumps(list(new.document_ids)),
            dumps(dict(new.metadata)),
            dumps(new.budget.document()) if new.budget else None,
            new.approvals.value,
        ),
    )
    turn.tell(project, "project.created", name=clean(new.name)[:200])
    if new.budget:
        turn.tell(project, "budget.set", **every_limit(new.budget))
    if new.plan is None or graph is None:
        yield from queue_planning(turn, project)
        yield from announce_project(turn, project.project_id)
        return project.project_id
    version = yield from plant_plan(project, new.plan, graph, "user")
    yield from move_project(
        turn,
        project,
        ProjectState.PLANNED,
        "project.planned",
        plan_version=version,
        tasks=len(graph.keys),
        safe=None,
        error=None,
    )
    if new.auto_execute:
        yield from start_unless_asked(turn, project)
    return project.project_id


def check_documents(
    workspace: str, document_ids: tuple[str, ...] | None, what: str
) -> Transaction[None]:
    """Refuse documents that the workspace does not have; `what` names them.

    Raises:
        InvalidInput: with the place of each.
    """
    if not document_ids:
        return
    rows = yield Query(
        "SELECT id FROM documents WHERE id IN EACH($1) AND workspace = $2 AND shelf = 'documents'",
        (list(document_ids), workspace),
    )
    known = {row[0] for row in rows}
    problems = [
        FieldProblem(f"document_ids[{at}]", "unknown document")
        for at, document_id in enumerate(document_ids)
        if document_id not in known
    ]
    if problems:
        raise InvalidInput(
            f"the {what} names documents that do not exist", problems=tuple(problems[:20])
        )


def lock_project(workspace: str, project_id: str) -> Transaction[Row]:
    """Lock a project of this workspace; return (status, plan_version, tasks_total).

    Raises:
        NotFound: no such project in this workspace.
    """
    rows = yield Query(
        "SELECT status, plan_version, tasks_total FROM projects "
        "WHERE id = $1 AND workspace = $2 FOR UPDATE",
        (project_id, workspace),
    )
    if not rows:
        raise NotFound("no such project", hint="list them with GET /projects")
    return rows[0]


def edit_project(
    workspace: str,
    project_id: str,
    name: str | None,
    metadata: Mapping[str, Json] | None,
) -> Transaction[None]:
    """Change a project's name and metadata; None leaves a field as it is."""
    yield from lock_project(workspace, project_id)
    yield Query(
        "UPDATE projects SET name = COALESCE($2, name), labels = COALESCE($3, labels), "
        "updated_at = NOW_US() WHERE id = $1",
        (
            project_id,
            None if name is None else clean(name),
            None if metadata is None else dumps(dict(metadata)),
        ),
    )


def set_budget(
    turn: Turn, workspace: str, project_id: str, budget: Budget | None
) -> Transaction[None]:
    """Change or remove a project's budget; what waits in a running project goes on as it can."""
    status, *_ = yield from lock_project(workspace, project_id)
    if budget is None:
        yield Query("DELETE FROM reservations WHERE project_id = $1 AND granted = 1", (project_id,))
    yield Query(
        "UPDATE projects SET budget = $2, budget_told = NULL WHERE id = $1",
        (project_id, dumps(budget.document()) if budget else None),
    )
    project = Subject(project_id, workspace)
    turn.tell(project, "budget.set", **every_limit(budget))
    if status == ProjectState.RUNNING:
        yield from go_on(turn, project)


def delete_project(workspace: str, project_id: str) -> Transaction[None]:
    """Delete a project and everything of it.

    Raises:
        Conflict: it is at work; cancel it first.
    """
    status = (yield from lock_project(workspace, project_id))[0]
    if status in (ProjectState.RUNNING, ProjectState.PLANNING, ProjectState.WAITING):
        raise Conflict(
            f"cannot delete a project that is {status}",
            code="illegal_transition",
            hint="cancel it first",
        )
    for statement in DELETE_PROJECT:
        yield Query(statement, (project_id,))


DELETE_PROJECT: Final = (
    "INSERT INTO deleted_projects (id, workspace, deleted_at) "
    "SELECT id, workspace, NOW_US() FROM projects WHERE id = $1",
    "DELETE FROM journal WHERE subtask_id IN (SELECT id FROM subtasks WHERE project_id = $1)",
    "DELETE FROM reservations WHERE project_id = $1",
    "DELETE FROM approvals WHERE project_id = $1",
    "DELETE FROM artifacts WHERE project_id = $1",
    "DELETE FROM subtasks WHERE project_id = $1",
    "DELETE FROM events WHERE project_id = $1",
    "DELETE FROM edges WHERE project_id = $1",
    "DELETE FROM nodes WHERE project_id = $1",
    "DELETE FROM tasks WHERE project_id = $1",
    "DELETE FROM phases WHERE project_id = $1",
    "DELETE FROM offshoots WHERE project_id = $1",
    "DELETE FROM parts WHERE project_id = $1",
    "DELETE FROM replans WHERE project_id = $1",
    "INSERT INTO untidy_documents (document_id, workspace) SELECT id, workspace FROM documents "
    "WHERE project_id = $1 ON CONFLICT (document_id) DO NOTHING",
    "DELETE FROM document_contents WHERE document_id IN "
    "(SELECT id FROM documents WHERE project_id = $1)",
    "DELETE FROM documents WHERE project_id = $1",
    "DELETE FROM plan_versions WHERE project_id = $1",
    "DELETE FROM projects WHERE id = $1",
)
