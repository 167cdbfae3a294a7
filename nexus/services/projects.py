"""Projects: make, list, show, edit, delete. Rules of the run itself are the engine's."""

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import or_, select

from nexus.domain.budget import Budget
from nexus.domain.consent import Policy
from nexus.domain.text import shorten
from nexus.errors import FieldProblem, InvalidInput, NotFound, ServiceMissing, TransientFailure
from nexus.models.database import Database
from nexus.models.projects import Project as ProjectRow
from nexus.models.writing import Transaction
from nexus.orchestrator.creating import NewProject
from nexus.orchestrator.engine import WorkflowEngine
from nexus.orchestrator.folders import remove_folders
from nexus.orchestrator.turn import Turn
from nexus.schemas.budgets import BudgetWanted
from nexus.schemas.lists import Page
from nexus.schemas.projects import Project, ProjectCreate, ProjectEdit, ProjectListParams
from nexus.services.caller import Caller
from nexus.services.cursors import Cursor, page_of
from nexus.services.idempotency import Answer, Once
from nexus.services.project_view import COLUMNS, read_project, show_project
from nexus.services.reads import reading
from nexus.services.workshop import Workshop

if TYPE_CHECKING:
    from nexus.memory.store import Memory

NAME_LENGTH: Final = 80
SENTENCE_END: Final = re.compile(r"(?<=\w{2}[.!?])\s+(?=\S)")
"""Two letters before the mark: `e.g. this` and `J. Smith` go on."""


async def create_project(
    engine: WorkflowEngine, workshop: Workshop, caller: Caller, wanted: ProjectCreate, once: Once
) -> Answer:
    """Make a project, planned or to be planned.

    Raises:
        InvalidInput: the plan cannot run, the model or a document is unknown.
    """
    if wanted.model is not None:
        workshop.check_model(wanted.model)
    new = NewProject(
        workspace=caller.workspace,
        goal=wanted.goal,
        name=wanted.name or _name_from(wanted.goal),
        plan=wanted.plan,
        auto_execute=wanted.auto_execute,
        model=wanted.model,
        document_ids=None if wanted.document_ids is None else tuple(wanted.document_ids),
        metadata=dict(wanted.metadata),
        budget=_budget(wanted.budget),
        approvals=Policy(wanted.approvals),
    )

    def act(turn: Turn) -> Transaction[Answer]:
        project_id = yield from engine.create(turn, new)
        project = yield from read_project(new.workspace, project_id)
        return Answer(201, project.model_dump_json(), f"/projects/{project_id}")

    try:
        return await engine.run(lambda turn: once.wrap(lambda: act(turn)), "create")
    except InvalidInput as wrong:
        if wrong.reason != "invalid_plan":
            raise
        raise _in_request(wrong) from wrong


def _in_request(wrong: InvalidInput) -> InvalidInput:
    """Place a plan's problems where the request has its plan."""
    return InvalidInput(
        wrong.message,
        hint=wrong.hint,
        code=wrong.reason,
        problems=tuple(
            FieldProblem(f"plan.{problem.place}", problem.message) for problem in wrong.problems
        ),
    )


def _name_from(goal: str) -> str:
    """Take the goal's first sentence or line as its name, cut at a word when it is long."""
    line = next(line for line in goal.splitlines() if line.strip())
    sentence = SENTENCE_END.split(" ".join(line.split()), maxsplit=1)[0].removesuffix(".")
    return shorten(sentence or line.strip(), NAME_LENGTH)


async def list_projects(
    database: Database, caller: Caller, wanted: ProjectListParams
) -> Page[Project]:
    """List the workspace's projects, newest first."""
    at = Cursor.read(wanted.cursor)
    statement = (
        select(*COLUMNS)
        .where(ProjectRow.workspace == caller.workspace)
        .order_by(ProjectRow.created_at.desc(), ProjectRow.id.desc())
        .limit(wanted.limit + 1)
    )
    if at:
        statement = statement.where(at.before(ProjectRow.created_at, ProjectRow.id))
    if wanted.status:
        statement = statement.where(ProjectRow.status == wanted.status)
    if wanted.q:
        statement = statement.where(
            or_(
                ProjectRow.name.icontains(wanted.q, autoescape=True),
                ProjectRow.goal.icontains(wanted.q, autoescape=True),
            )
        )
    async with reading(database) as session:
        rows = (await session.execute(statement)).all()
    shown, following = page_of(rows, wanted.limit)
    return Page(items=[show_project(row._mapping) for row in shown], next_cursor=following)


async def get_project(database: Database, caller: Caller, project_id: str) -> Project:
    """Show one project.

    Raises:
        NotFound: unknown, or another workspace's.
    """
    statement = select(*COLUMNS).where(
        ProjectRow.id == project_id, ProjectRow.workspace == caller.workspace
    )
    async with reading(database) as session:
        row = (await session.execute(statement)).one_or_none()
    if row is None:
        raise no_project()
    return show_project(row._mapping)


async def edit_project(
    engine: WorkflowEngine, caller: Caller, project_id: str, wanted: ProjectEdit
) -> Project:
    """Change name, metadata or budget of a project."""
    metadata: dict[str, Any] | None = None if wanted.metadata is None else dict(wanted.metadata)

    def act(turn: Turn) -> Transaction[Project]:
        yield from engine.edit(turn, caller.workspace, project_id, wanted.name, metadata)
        if "budget" in wanted.model_fields_set:
            budget = _budget(wanted.budget)
            yield from engine.set_budget(turn, caller.workspace, project_id, budget)
        return (yield from read_project(caller.workspace, project_id))

    return await engine.run(act)


def _budget(wanted: BudgetWanted | None) -> Budget | None:
    """Read a budget; one without any limit is none."""
    return None if wanted is None else Budget.of(wanted.model_dump())


async def delete_project(
    engine: WorkflowEngine, data: Path, memory: "Memory", caller: Caller, project_id: str
) -> None:
    """Delete a project that is not running, with its history, its notes and its files here.

    What of its notes is out of reach goes later: nothing finds it any more.
    """
    await engine.run(lambda turn: engine.delete(turn, caller.workspace, project_id))
    await remove_folders(data, caller.workspace, project_id)
    with suppress(ServiceMissing, TransientFailure):
        await memory.tidy()


def no_project() -> NotFound:
    """Build the one answer for a project that this workspace does not have."""
    return NotFound("no such project", hint="list them with GET /projects")
