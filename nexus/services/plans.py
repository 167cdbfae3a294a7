"""Versions of a project's plan."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from nexus.errors import NotFound
from nexus.models.database import Database
from nexus.models.projects import PlanVersion
from nexus.models.projects import Project as ProjectRow
from nexus.services.caller import Caller
from nexus.services.projects import no_project
from nexus.services.reads import reading


async def get_plan(
    database: Database, caller: Caller, project_id: str, version: int | None
) -> tuple[int, Any]:
    """Return a version of a project's plan (default: the newest) and its document.

    Raises:
        NotFound: no such project, no plan yet, or no such version.
    """
    async with reading(database) as session:
        newest = (
            await session.execute(
                select(ProjectRow.plan_version).where(
                    ProjectRow.id == project_id, ProjectRow.workspace == caller.workspace
                )
            )
        ).scalar_one_or_none()
        if newest is None:
            raise no_project()
        wanted = version or newest
        document = await _document(session, project_id, wanted)
    if document is None:
        raise NotFound(
            "the project has no such plan" if version else "the project has no plan yet",
            code="no_plan",
            hint="a project has a plan once it is planned; versions count from 1",
        )
    return wanted, document


async def _document(session: AsyncSession, project_id: str, version: int) -> Any:
    statement = select(PlanVersion.document).where(
        PlanVersion.project_id == project_id, PlanVersion.version == version
    )
    return (await session.execute(statement)).scalar_one_or_none()
