"""/projects/{id}/plan, progress, deliverable, tasks: what a project is to do and has done."""

from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from nexus.routers.access import Agents, Board, Opened, Reader
from nexus.routers.answers import prefers
from nexus.schemas.deliverable import Deliverable
from nexus.schemas.diagnosis import Diagnosis, DiagnosisParams
from nexus.schemas.lists import Page, PageParams
from nexus.schemas.progress import Progress, ProgressParams
from nexus.schemas.projects import PlanParams, PlanShown
from nexus.schemas.tasks import JournalEntry, JournalParams, Subtask, Task
from nexus.services import tasks
from nexus.services.deliverable import get_deliverable
from nexus.services.diagnosis import get_diagnosis
from nexus.services.journal import read_journal
from nexus.services.plans import get_plan

router = APIRouter(tags=["results"])

Paging = Annotated[PageParams, Query()]


@router.get("/projects/{project_id}/plan", response_model=PlanShown)
async def show_plan(
    caller: Reader,
    parts: Opened,
    workshop: Agents,
    project_id: str,
    wanted: Annotated[PlanParams, Query()],
) -> Response:
    """Show the plan, or an earlier version of it, and what carrying it out will roughly take."""
    shown = await get_plan(parts.database, workshop, caller, project_id, wanted.version)
    return Response(
        shown.model_dump_json(),
        media_type="application/json",
        headers={"ETag": f'"{shown.version}"'},
    )


@router.get("/projects/{project_id}/progress", response_model=Progress)
async def show_progress(
    caller: Reader,
    board: Board,
    project_id: str,
    wanted: Annotated[ProgressParams, Query()],
) -> Response:
    """Show where a project stands, phase by phase and task by task."""
    body = await board.show(caller, project_id, with_tasks=wanted.detail == "tasks")
    return Response(body, media_type="application/json")


@router.get("/projects/{project_id}/diagnosis")
@router.get("/projects/{project_id}/diagnosis/", include_in_schema=False)
async def show_diagnosis(
    caller: Reader, parts: Opened, project_id: str, page: Annotated[DiagnosisParams, Query()]
) -> Diagnosis:
    """Say why each unfinished task is not moving, those at work first."""
    services = (parts.redis, parts.memory)
    return await get_diagnosis(parts.database, services, caller, project_id, page)


@router.get(
    "/projects/{project_id}/deliverable",
    response_model=Deliverable,
    responses={200: {"content": {"text/markdown": {}}}},
)
async def show_deliverable(
    caller: Reader,
    parts: Opened,
    project_id: str,
    accept: Annotated[str, Header(max_length=1_000)] = "*/*",
) -> Response:
    """Hand over what an ended project has made: Markdown, or JSON when asked for. 409 before."""
    made = await get_deliverable(parts.database, parts.settings.data, caller, project_id)
    if prefers(accept, "application/json", over="text/markdown"):
        return Response(made.model_dump_json(), media_type="application/json")
    return Response(made.markdown, media_type="text/markdown")


@router.get("/projects/{project_id}/tasks")
@router.get("/projects/{project_id}/tasks/", include_in_schema=False)
async def list_tasks(caller: Reader, parts: Opened, project_id: str, page: Paging) -> Page[Task]:
    """List a project's tasks in the order of the plan."""
    return await tasks.list_tasks(parts.database, caller, project_id, page)


@router.get("/tasks/{task_id}")
async def show_task(caller: Reader, parts: Opened, task_id: str) -> Task:
    """Show a task with its output or its error."""
    return await tasks.get_task(parts.database, caller, task_id)


@router.get("/tasks/{task_id}/subtasks")
@router.get("/tasks/{task_id}/subtasks/", include_in_schema=False)
async def list_subtasks(caller: Reader, parts: Opened, task_id: str, page: Paging) -> Page[Subtask]:
    """List the work done for a task, newest first."""
    return await tasks.list_subtasks(parts.database, caller, task_id, page)


@router.get("/subtasks/{subtask_id}/journal")
@router.get("/subtasks/{subtask_id}/journal/", include_in_schema=False)
async def show_journal(
    caller: Reader,
    parts: Opened,
    subtask_id: str,
    wanted: Annotated[JournalParams, Query()],
) -> Page[JournalEntry]:
    """List the recorded calls of a subtask in the order they began; with `number`, one in full."""
    return await read_journal(parts.database, parts.settings.data, caller, subtask_id, wanted)
