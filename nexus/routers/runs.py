"""/projects/{id}/execute, pause, resume, cancel, retry: set a project in motion, stop it, take it up again."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from nexus.routers.access import IdempotencyKey, Opened, Operator, once
from nexus.routers.answers import send_answer
from nexus.schemas.projects import Moved, Started
from nexus.schemas.strictness import NoFields
from nexus.services import runs

router = APIRouter(tags=["runs"])


@router.post("/projects/{project_id}/execute", status_code=202, response_model=Started)
async def execute_project(
    request: Request,
    caller: Operator,
    parts: Opened,
    project_id: str,
    _body: NoFields | None = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Run a planned project: what it can begin with is queued at once. 409 unless `planned`."""
    promise = once(request, caller, idempotency_key, "")
    return send_answer(await runs.execute_project(parts.engine, caller, project_id, promise))


@router.post("/projects/{project_id}/pause", status_code=202, response_model=Moved)
async def pause_project(
    request: Request,
    caller: Operator,
    parts: Opened,
    project_id: str,
    _body: NoFields | None = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Begin nothing new of a project; what runs may finish. 409 unless it runs or waits."""
    promise = once(request, caller, idempotency_key, "")
    return send_answer(await runs.pause_project(parts.engine, caller, project_id, promise))


@router.post("/projects/{project_id}/resume", status_code=202, response_model=Moved)
async def resume_project(
    request: Request,
    caller: Operator,
    parts: Opened,
    project_id: str,
    _body: NoFields | None = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Let a project go on that is `paused`, or `waiting` for a budget that was raised. Else 409."""
    promise = once(request, caller, idempotency_key, "")
    return send_answer(await runs.resume_project(parts.engine, caller, project_id, promise))


@router.post("/projects/{project_id}/cancel", status_code=202, response_model=Moved)
async def cancel_project(
    request: Request,
    caller: Operator,
    parts: Opened,
    project_id: str,
    _body: NoFields | None = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """End a project. Running agents are stopped within seconds; nothing new begins."""
    promise = once(request, caller, idempotency_key, "")
    return send_answer(await runs.cancel_project(parts.engine, caller, project_id, promise))


@router.post("/projects/{project_id}/retry", status_code=202, response_model=Moved)
async def retry_project(
    request: Request,
    caller: Operator,
    parts: Opened,
    project_id: str,
    _body: NoFields | None = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Take up a failed or cancelled project again; finished work is kept."""
    promise = once(request, caller, idempotency_key, "")
    return send_answer(await runs.retry_project(parts.engine, caller, project_id, promise))
