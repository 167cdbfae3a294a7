"""What a diagnosis says of a project as a whole: its row, its counts, the workers there are.

Read inside the caller's one session, so that it is of the same moment as the tasks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from nexus.domain.budget import Budget, Limit, Sums, words
from nexus.domain.states import ProjectState, SubtaskState, TaskState
from nexus.models.database import Database
from nexus.models.passages import Document
from nexus.models.projects import Approval, Project, Task
from nexus.models.work import Subtask, Worker
from nexus.services.caller import Caller
from nexus.services.projects import no_project
from nexus.services.reads import database_now_us
from nexus.services.reasons import Scene
from nexus.services.sentence import Standing

OF_BUDGET: Final = (
    Project.budget,
    Project.requests,
    Project.input_tokens,
    Project.output_tokens,
    Project.cost_pico_usd,
    Project.unpriced_requests,
    Project.ran_us,
    Project.moved_at,
)


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers of the installation: live ones, their slots, and how much runs."""

    live: int
    slots: int
    busy: int
    last_heartbeat_at: int | None


@dataclass(frozen=True, slots=True)
class Setting:
    """Everything about a project that is not about one task."""

    scene: Scene
    standing: Standing
    workers: Workers
    counts: Mapping[str, int]
    documents_processing: int


async def read_setting(
    database: Database, session: AsyncSession, caller: Caller, project_id: str
) -> Setting:
    """Read a project and what surrounds it.

    Raises:
        NotFound: unknown, or another workspace's.
    """
    now = await database_now_us(database, session)
    found = await session.execute(
        select(Project.status, Project.error, Project.document_ids, *OF_BUDGET).where(
            Project.id == project_id, Project.workspace == caller.workspace
        )
    )
    project = found.one_or_none()
    if project is None:
        raise no_project()
    workers = await _workers(session, now)
    rows = await _unfinished(session, project_id, now)
    approvals = select(func.count()).where(
        Approval.project_id == project_id, Approval.status == "pending"
    )
    error = project.error or {}
    standing = Standing(
        running=rows["running"],
        due=rows["due"],
        later=rows["later"],
        waiting=rows["waiting"],
        blocked=rows["blocked"],
        next_run_at=rows["next_run_at"],
        approvals=(await session.execute(approvals)).scalar_one(),
        error=error.get("message"),
    )
    return Setting(
        Scene(now, project.status, workers.live, workers.last_heartbeat_at, _budget(project, now)),
        standing,
        workers,
        {
            "pending": standing.blocked,
            "queued": rows["queued"],
            "running": rows["started"],
            "waiting": standing.waiting,
        },
        await _documents(session, caller.workspace, project.document_ids),
    )


def _budget(project: Row[Any], now: int) -> str:
    """Say which limits of a budget are used up, and which cannot be kept to."""
    budget = Budget.of(project.budget) if project.budget else None
    if budget is None:
        return ""
    runs = project.status in (ProjectState.RUNNING, ProjectState.PLANNING)
    spent = Sums(
        project.cost_pico_usd,
        project.input_tokens + project.output_tokens,
        project.ran_us + (now - project.moved_at if runs else 0),
        project.requests,
    )
    said = [
        f"{words(limit, spent.of(limit))} of {limit.value} {words(limit, budget.limits[limit])}"
        for limit in budget.reached(spent)
    ]
    if said and project.unpriced_requests and Limit.COST in budget.limits:
        said.append(f"{project.unpriced_requests:,} calls of unknown price not counted")
    return ", ".join(said)


async def _workers(session: AsyncSession, now: int) -> Workers:
    lives = (Worker.status == "active") & (Worker.lease_until > now)
    rows = await session.execute(
        select(
            func.coalesce(func.sum(case((lives, 1), else_=0)), 0),
            func.coalesce(func.sum(case((lives, Worker.concurrency), else_=0)), 0),
            func.max(Worker.heartbeat_at),
        )
    )
    live, slots, last = rows.one()
    busy = await session.execute(select(func.count()).where(Subtask.status == SubtaskState.RUNNING))
    return Workers(int(live), int(slots), busy.scalar_one(), last)


async def _unfinished(session: AsyncSession, project_id: str, now: int) -> Mapping[str, Any]:
    """Count a project's unfinished tasks by what they and their subtasks are.

    `running` are subtasks in a worker's hands; `started` are tasks that show so, which
    those between two attempts do as well.
    """
    queued = Subtask.status == SubtaskState.QUEUED
    pending = Task.status == TaskState.PENDING

    def number(condition: Any) -> Any:
        return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)

    statement = (
        select(
            number(Subtask.status == SubtaskState.RUNNING).label("running"),
            number(Task.status == TaskState.RUNNING).label("started"),
            number(queued & (Subtask.run_at <= now)).label("due"),
            number(queued & (Subtask.run_at > now)).label("later"),
            number(queued & pending).label("queued"),
            number(Task.status == TaskState.WAITING).label("waiting"),
            number(pending & Task.subtask_id.is_(None)).label("blocked"),
            func.min(case((queued & (Subtask.run_at > now), Subtask.run_at))).label("next_run_at"),
        )
        .outerjoin(Subtask, Subtask.id == Task.subtask_id)
        .where(
            Task.project_id == project_id,
            Task.status.in_((TaskState.PENDING, TaskState.RUNNING, TaskState.WAITING)),
        )
    )
    row = (await session.execute(statement)).one()
    return {name: None if value is None else int(value) for name, value in row._mapping.items()}


async def _documents(session: AsyncSession, workspace: str, chosen: list[str] | None) -> int:
    statement = select(func.count()).where(
        Document.workspace == workspace, Document.status == "processing"
    )
    if chosen is not None:
        statement = statement.where(Document.id.in_(chosen))
    return (await session.execute(statement)).scalar_one()
