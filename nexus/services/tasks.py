"""Tasks and their subtasks, read for the API."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from nexus.domain.clock import rfc3339
from nexus.domain.states import TaskState
from nexus.errors import NotFound
from nexus.models.database import Database
from nexus.models.delegation import DelegatedPart
from nexus.models.projects import Project as ProjectRow
from nexus.models.projects import Task as TaskRow
from nexus.models.work import Offshoot
from nexus.models.work import Subtask as SubtaskRow
from nexus.schemas.lists import Page, PageParams
from nexus.schemas.projects import Usage
from nexus.schemas.tasks import Subtask, Task
from nexus.services.caller import Caller
from nexus.services.cursors import Cursor, page_of
from nexus.services.project_view import show_failure, show_usage
from nexus.services.projects import no_project
from nexus.services.reads import reading

SHOWN_STATUS: Final = case(
    ((TaskRow.status == TaskState.PENDING) & TaskRow.subtask_id.is_not(None), "queued"),
    else_=TaskRow.status,
)
"""A task's status as it is shown: a pending task that has a subtask shows `queued`."""

ATTEMPT: Final = case(
    (TaskRow.status.in_((TaskState.PENDING, TaskState.SKIPPED)), 0),
    else_=func.coalesce(SubtaskRow.attempt, 0),
)
"""Which attempt a task is at, as its present subtask counts them; 0 before the first."""

PARENT: Final = func.coalesce(Offshoot.parent_id, DelegatedPart.parent_id)
"""What a subtask came out of; nothing for ordinary work."""

NOTHING = {"requests": 0, "input_tokens": 0, "output_tokens": 0, "cost_pico_usd": 0}


async def list_tasks(
    database: Database, caller: Caller, project_id: str, page: PageParams
) -> Page[Task]:
    """List a project's tasks in the order of the plan.

    Raises:
        NotFound: unknown project, or another workspace's.
    """
    at = Cursor.read(page.cursor)
    condition = (TaskRow.project_id == project_id) & (TaskRow.node >= 0)
    if at:
        condition &= TaskRow.node > at.number
    async with reading(database) as session:
        owner = select(ProjectRow.id).where(
            ProjectRow.id == project_id, ProjectRow.workspace == caller.workspace
        )
        if (await session.execute(owner)).one_or_none() is None:
            raise no_project()
        rows = await _read(session, condition, page.limit + 1)
        shown = rows[: page.limit]
        spent = await _spent(session, [row.id for row in shown])
    following = Cursor(shown[-1].node, shown[-1].id).write() if len(rows) > page.limit else None
    return Page(items=[_show(row, spent.get(row.id)) for row in shown], next_cursor=following)


async def get_task(database: Database, caller: Caller, task_id: str) -> Task:
    """Show one task.

    Raises:
        NotFound: unknown, or another workspace's.
    """
    condition = (TaskRow.id == task_id) & (TaskRow.workspace == caller.workspace)
    async with reading(database) as session:
        rows = await _read(session, condition, 1)
        if not rows:
            raise NotFound("there is no such task")
        spent = await _spent(session, [task_id])
    return _show(rows[0], spent.get(task_id))


async def _read(
    session: AsyncSession, condition: ColumnElement[bool], limit: int
) -> Sequence[Row[Any]]:
    statement = (
        select(
            TaskRow.id,
            TaskRow.project_id,
            TaskRow.key,
            TaskRow.title,
            TaskRow.agent,
            TaskRow.phase,
            TaskRow.node,
            TaskRow.instructions,
            TaskRow.acceptance,
            TaskRow.review,
            TaskRow.on_rejection,
            TaskRow.max_attempts,
            TaskRow.timeout_seconds,
            SHOWN_STATUS.label("shown_status"),
            ATTEMPT.label("attempt"),
            TaskRow.error,
            TaskRow.created_at,
            TaskRow.started_at,
            TaskRow.finished_at,
            SubtaskRow.output,
        )
        .outerjoin(SubtaskRow, SubtaskRow.id == TaskRow.subtask_id)
        .where(condition)
        .order_by(TaskRow.node)
        .limit(limit)
    )
    rows: Sequence[Row[Any]] = (await session.execute(statement)).all()
    return rows


async def _spent(session: AsyncSession, task_ids: list[str]) -> dict[str, Usage]:
    statement = (
        select(
            SubtaskRow.task_id,
            func.sum(SubtaskRow.requests).label("requests"),
            func.sum(SubtaskRow.input_tokens).label("input_tokens"),
            func.sum(SubtaskRow.output_tokens).label("output_tokens"),
            func.sum(SubtaskRow.cost_pico_usd).label("cost_pico_usd"),
        )
        .where(SubtaskRow.task_id.in_(task_ids))
        .group_by(SubtaskRow.task_id)
    )
    return {row.task_id: show_usage(row._mapping) for row in await session.execute(statement)}


def _show(row: Row[Any], spent: Usage | None) -> Task:
    return Task(
        id=row.id,
        project_id=row.project_id,
        key=row.key,
        title=row.title,
        agent=row.agent,
        phase=row.phase,
        instructions=row.instructions,
        acceptance=row.acceptance or [],
        review=bool(row.review),
        on_rejection=row.on_rejection,
        max_attempts=row.max_attempts,
        timeout_seconds=row.timeout_seconds,
        status=row.shown_status,
        attempt=row.attempt,
        output=row.output if row.shown_status == "succeeded" else None,
        error=show_failure(row.error),
        usage=spent or show_usage(NOTHING),
        created_at=rfc3339(row.created_at) or "",
        started_at=rfc3339(row.started_at),
        finished_at=rfc3339(row.finished_at),
    )


async def list_subtasks(
    database: Database, caller: Caller, task_id: str, page: PageParams
) -> Page[Subtask]:
    """List the subtasks of a task, newest first.

    Raises:
        NotFound: unknown task, or another workspace's.
    """
    at = Cursor.read(page.cursor)
    owner = select(TaskRow.id).where(TaskRow.id == task_id, TaskRow.workspace == caller.workspace)
    statement = (
        select(SubtaskRow.__table__, PARENT.label("parent_id"))
        .outerjoin(Offshoot, Offshoot.subtask_id == SubtaskRow.id)
        .outerjoin(DelegatedPart, DelegatedPart.subtask_id == SubtaskRow.id)
        .where(SubtaskRow.task_id == task_id)
        .order_by(SubtaskRow.created_at.desc(), SubtaskRow.id.desc())
        .limit(page.limit + 1)
    )
    if at:
        statement = statement.where(at.before(SubtaskRow.created_at, SubtaskRow.id))
    async with reading(database) as session:
        if (await session.execute(owner)).one_or_none() is None:
            raise NotFound("there is no such task")
        rows = (await session.execute(statement)).all()
    shown, following = page_of(rows, page.limit)
    return Page(items=[_show_subtask(row) for row in shown], next_cursor=following)


def _show_subtask(row: Row[Any]) -> Subtask:
    return Subtask(
        id=row.id,
        project_id=row.project_id,
        task_id=row.task_id,
        parent_id=row.parent_id,
        kind=row.kind,
        agent=row.agent,
        status=row.status,
        attempt=row.attempt,
        max_attempts=row.max_attempts,
        output=row.output,
        error=show_failure(row.error),
        usage=show_usage(row._mapping),
        created_at=rfc3339(row.created_at) or "",
        started_at=rfc3339(row.started_at),
        finished_at=rfc3339(row.finished_at),
    )
