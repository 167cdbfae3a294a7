"""/projects/{id}/plan and replan: a person, or the manager agent for them, changes what is left to do."""

from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from nexus.routers.access import Agents, Author, IdempotencyKey, Opened, Operator, once
from nexus.routers.answers import send_answer
from nexus.schemas.projects import Moved, PlanEdit, PlanShown, Replan
from nexus.services import editing
from nexus.services.idempotency import fingerprint_of
from nexus.services.plans import get_plan

router = APIRouter(tags=["plans"])


@router.put("/projects/{project_id}/plan", response_model=PlanShown)
async def put_plan(
    caller: Author,
    parts: Opened,
    workshop: Agents,
    project_id: str,
    wanted: PlanEdit,
    if_match: Annotated[str | None, Header(max_length=200)] = None,
) -> Response:
    """Put a plan in the place of the present one: while `planned`, `paused` or `failed`.

    Finished work is kept and does not change; 412 when the plan is not the one of `If-Match`.
    """
    expected = editing.version_of(if_match)
    if expected is None:
        expected = wanted.version
    version = await editing.put_plan(parts.engine, caller, project_id, wanted.plan, expected)
    shown = await get_plan(parts.database, workshop, caller, project_id, version)
    return Response(
        shown.model_dump_json(),
        media_type="application/json",
        headers={"ETag": f'"{shown.version}"'},
    )


@router.post("/projects/{project_id}/replan", status_code=202, response_model=Moved)
async def replan_project(
    request: Request,
    caller: Operator,
    parts: Opened,
    project_id: str,
    wanted: Replan | None = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Let the manager agent amend what is left of the plan; finished work is kept.

    409 while it is `planning` or `paused`, after it has succeeded, and while it is being amended.
    """
    wanted = wanted or Replan(comment=None)
    promise = once(request, caller, idempotency_key, fingerprint_of(wanted.model_dump_json()))
    return send_answer(
        await editing.replan_project(parts.engine, caller, project_id, wanted.comment, promise)
    )
