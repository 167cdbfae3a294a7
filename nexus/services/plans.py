"""Versions of a project's plan, and what carrying one out will roughly take."""

import asyncio
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from nexus.domain.estimating import assumptions, forecast
from nexus.domain.money import to_usd
from nexus.domain.plan import Plan
from nexus.errors import NotFound
from nexus.memory.passages import DOCUMENTS
from nexus.models.database import Database
from nexus.models.passages import Document
from nexus.models.projects import PlanVersion
from nexus.models.projects import Project as ProjectRow
from nexus.schemas.projects import Estimate, PlanShown
from nexus.services.caller import Caller
from nexus.services.projects import no_project
from nexus.services.reads import reading
from nexus.services.workshop import Workshop


@dataclass(frozen=True, slots=True)
class _Found:
    """A plan's document and what its estimate needs to know of the project."""

    version: int
    document: Any
    goal: str
    model: str | None
    has_documents: bool


async def get_plan(
    database: Database, workshop: Workshop, caller: Caller, project_id: str, version: int | None
) -> PlanShown:
    """Show a version of a project's plan (default: the newest) with its estimate.

    Raises:
        NotFound: no such project, no plan yet, or no such version.
    """
    found = await _find(database, caller, project_id, version)
    return await asyncio.to_thread(_show, workshop, found)


async def _find(database: Database, caller: Caller, project_id: str, version: int | None) -> _Found:
    columns = (
        ProjectRow.plan_version,
        ProjectRow.goal,
        ProjectRow.model,
        ProjectRow.document_ids,
    )
    async with reading(database) as session:
        row = (
            await session.execute(
                select(*columns).where(
                    ProjectRow.id == project_id, ProjectRow.workspace == caller.workspace
                )
            )
        ).one_or_none()
        if row is None:
            raise no_project()
        newest, goal, model, chosen = row
        wanted = version or newest
        document = await _document(session, project_id, wanted)
        has_documents = bool(chosen) or (chosen is None and await _has_any(session, caller))
    if document is None:
        raise NotFound(
            "the project has no such plan" if version else "the project has no plan yet",
            code="no_plan",
            hint="a project has a plan once it is planned; versions count from 1",
        )
    return _Found(wanted, document, goal, model, has_documents)


async def _has_any(session: AsyncSession, caller: Caller) -> bool:
    statement = (
        select(Document.id)
        .where(Document.workspace == caller.workspace, Document.shelf == DOCUMENTS)
        .limit(1)
    )
    return (await session.execute(statement)).first() is not None


def _show(workshop: Workshop, found: _Found) -> PlanShown:
    """Forecast a plan's load and price it; loads the price list, so it runs in a thread."""
    plan = Plan.model_validate(found.document)
    made = forecast(plan, found.goal, workshop.tool_counts(), has_documents=found.has_documents)
    priced = workshop.price(found.model, made.load)
    estimate = Estimate(
        calls=priced.load.calls,
        input_tokens=priced.load.input_tokens,
        output_tokens=priced.load.output_tokens,
        cost_usd=None if priced.cost_pico_usd is None else to_usd(priced.cost_pico_usd),
        assumptions=[*assumptions(made), priced.note],
    )
    return PlanShown(version=found.version, plan=plan, estimate=estimate)


async def _document(session: AsyncSession, project_id: str, version: int) -> Any:
    statement = select(PlanVersion.document).where(
        PlanVersion.project_id == project_id, PlanVersion.version == version
    )
    return (await session.execute(statement)).scalar_one_or_none()
