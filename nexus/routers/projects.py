"""/projects: make, list, show, edit, delete."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from nexus.routers.access import Agents, Author, IdempotencyKey, Opened, Reader, once
from nexus.routers.answers import send_answer
from nexus.schemas.lists import Page
from nexus.schemas.projects import Project, ProjectCreate, ProjectEdit, ProjectListParams
from nexus.services import projects
from nexus.services.caller import Scope
from nexus.services.idempotency import fingerprint_of

router = APIRouter(tags=["projects"])


@router.post("/projects", status_code=201, response_model=Project)
@router.post("/projects/", status_code=201, response_model=Project, include_in_schema=False)
async def create_project(
    request: Request,
    caller: Author,
    parts: Opened,
    workshop: Agents,
    wanted: ProjectCreate,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Give Nexus a goal. Without a plan, the manager agent plans it in the background.

    `auto_execute` also needs the scope `execute`.
    """
    if wanted.auto_execute:
        caller.require(Scope.EXECUTE)
    fingerprint = fingerprint_of(wanted.model_dump_json()) if idempotency_key else ""
    answer = await projects.create_project(
        parts.engine,
        workshop,
        caller,
        wanted,
        once(request, caller, idempotency_key, fingerprint),
    )
    return send_answer(answer)


@router.get("/projects")
@router.get("/projects/", include_in_schema=False)
async def list_projects(
    caller: Reader, parts: Opened, wanted: Annotated[ProjectListParams, Query()]
) -> Page[Project]:
    """List projects, newest first."""
    return await projects.list_projects(parts.database, caller, wanted)


@router.get("/projects/{project_id}")
async def get_project(caller: Reader, parts: Opened, project_id: str) -> Project:
    """Show a project."""
    return await projects.get_project(parts.database, caller, project_id)


@router.patch("/projects/{project_id}")
async def edit_project(
    caller: Author, parts: Opened, project_id: str, wanted: ProjectEdit
) -> Project:
    """Change a project's name, metadata or budget."""
    return await projects.edit_project(parts.engine, caller, project_id, wanted)


@router.delete("/projects/{project_id}", status_code=204)
async def delete_project(caller: Author, parts: Opened, project_id: str) -> None:
    """Delete a project and its history; 409 while it is at work."""
    data = parts.settings.data
    await projects.delete_project(parts.engine, data, parts.memory, caller, project_id)
