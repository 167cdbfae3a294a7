"""Versions of a project's plan."""

import json
from collections import OrderedDict
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from nexus.errors import NotFound
from nexus.models.database import Database
from nexus.models.projects import PlanVersion
from nexus.models.projects import Project as ProjectRow
from nexus.models.writing import Query
from nexus.services.caller import Caller
from nexus.services.projects import no_project
from nexus.services.reads import reading

MAX_OUTLINES: Final = 256

PHASES: Final = (
    "SELECT PHASES_OF(document) FROM plan_versions WHERE project_id = $1 AND version = $2"
)

Outline = tuple[tuple[str, str], ...]
"""The phases of a plan: (key, title) in order."""


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


class Outlines:
    """Phases of plan versions read lately: a version never changes, and plans can be large."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, int], Outline] = OrderedDict()

    async def of(self, database: Database, project_id: str, version: int) -> Outline:
        """Return the phases of a plan version; none when there is no plan yet."""
        if not version:
            return ()
        found = self._known.get((project_id, version))
        if found is not None:
            self._known.move_to_end((project_id, version))
            return found
        ((row,),) = await database.ask(Query(PHASES, (project_id, version)))
        outline = tuple((str(key), str(title)) for key, title in json.loads(row[0]))
        self._known[project_id, version] = outline
        if len(self._known) > MAX_OUTLINES:
            self._known.popitem(last=False)
        return outline
