"""Where a project stands, read for the ManagerAgent that is to plan it or to amend its plan."""

from typing import Any, Final

from sqlalchemy import Row, select

from nexus.domain.plan import Plan
from nexus.domain.text import shorten
from nexus.domain.work import Standing, TaskStanding
from nexus.models.database import Database
from nexus.models.projects import PlanVersion, Project, Replan, Task
from nexus.models.work import Subtask

MAX_EXCERPT: Final = 2_000
MAX_ERROR: Final = 500


async def read_standing(database: Database, project_id: str, subtask_id: str) -> Standing:
    """Read a project's newest plan, how far its tasks have come, and why it is to be amended."""
    async with database.read() as session:
        plan = await session.execute(
            select(PlanVersion.document)
            .join(Project, Project.id == PlanVersion.project_id)
            .where(
                PlanVersion.project_id == project_id, PlanVersion.version == Project.plan_version
            )
        )
        asked = await session.execute(
            select(Replan.because, Replan.comment).where(Replan.subtask_id == subtask_id)
        )
        tasks = await session.execute(
            select(Task.key, Task.status, Task.error, Subtask.output)
            .outerjoin(Subtask, Subtask.id == Task.subtask_id)
            .where(Task.project_id == project_id, Task.node >= 0)
            .order_by(Task.node)
        )
        because, comment = asked.one()
        return Standing(
            Plan.model_validate(plan.scalar_one()),
            {row.key: _standing(row) for row in tasks},
            because,
            comment,
        )


async def read_budget(database: Database, project_id: str) -> dict[str, object]:
    """Read what a project may spend, by the names of the API; empty where nothing limits it."""
    async with database.read() as session:
        budget = await session.scalar(select(Project.budget).where(Project.id == project_id))
    return {name: limit for name, limit in (budget or {}).items() if limit is not None}


def _standing(row: Row[Any]) -> TaskStanding:
    error = row.error["message"][:MAX_ERROR] if row.error else None
    return TaskStanding(row.status, shorten(row.output, MAX_EXCERPT) if row.output else None, error)
