"""/projects/{id}/execute, pause, resume, cancel, retry: set a project in motion, stop it, take it up again."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from nexus.routers.access import IdempotencyKey, Opened, Operator, once
from nexus.routers.answers import send_answer
from nexus.schemas.projects import Moved, Started
from nexus.schemas.strictness import NoFields
from nexus.services import runs

router = APIRouter(tags=["runs"])


def _steered(
    request: Request,
    caller: Operator,
    parts: Opened,
    project_id: str,
    _body: NoFields | None = None,
    idempotency_key: IdempotencyKey = None,
) -> runs.Steered:
    promise = once(request, caller, idempotency_key, "")
    return runs.Steered(parts.engine, caller, project_id, promise)


OneProject = Annotated[runs.Steered, Depends(_steered)]


@router.post("/projects/{project_id}/execute", status_code=202, response_model=Started)
async def execute_project(of: OneProject) -> Response:
    """Run a planned project: what it can begin with is queued at once. 409 unless `planned`.

    While its plan is put to a person this is an approval: 403 without the scope `approve`.
    """
    return send_answer(await runs.execute_project(of))


@router.post("/projects/{project_id}/pause", status_code=202, response_model=Moved)
async def pause_project(of: OneProject) -> Response:
    """Begin nothing new of a project; what runs may finish. 409 unless it runs or waits."""
    return send_answer(await runs.pause_project(of))


@router.post("/projects/{project_id}/resume", status_code=202, response_model=Moved)
async def resume_project(of: OneProject) -> Response:
    """Let a project go on that is `paused`, or `waiting` for a budget that was raised. Else 409."""
    return send_answer(await runs.resume_project(of))


@router.post("/projects/{project_id}/cancel", status_code=202, response_model=Moved)
async def cancel_project(of: OneProject) -> Response:
    """End a project. Running agents are stopped within seconds; nothing new begins."""
    return send_answer(await runs.cancel_project(of))


@router.post("/projects/{project_id}/retry", status_code=202, response_model=Moved)
async def retry_project(of: OneProject) -> Response:
    """Take up a failed or cancelled project again; finished work is kept.

    A plan that was put to a person and never ran needs the scope `approve` as well.
    """
    return send_answer(await runs.retry_project(of))
