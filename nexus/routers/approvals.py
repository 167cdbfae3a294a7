"""/approvals: questions to a person; keys with the scope `approve` answer them."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from nexus.routers.access import Approver, IdempotencyKey, Opened, Reader, once
from nexus.routers.answers import send_answer
from nexus.schemas.approvals import Approval, ApprovalDecide, ApprovalListParams
from nexus.schemas.lists import Page
from nexus.services import approvals
from nexus.services.idempotency import fingerprint_of

router = APIRouter(tags=["approvals"])


@router.get("/approvals")
@router.get("/approvals/", include_in_schema=False)
async def list_approvals(
    caller: Reader, parts: Opened, wanted: Annotated[ApprovalListParams, Query()]
) -> Page[Approval]:
    """List questions, newest first, decided ones too."""
    return await approvals.list_approvals(parts.database, caller, wanted)


@router.get("/approvals/{approval_id}")
async def get_approval(caller: Reader, parts: Opened, approval_id: str) -> Approval:
    """Show a question and its answer."""
    return await approvals.get_approval(parts.database, caller, approval_id)


@router.post("/approvals/{approval_id}", response_model=Approval)
async def decide_approval(
    request: Request,
    caller: Approver,
    parts: Opened,
    approval_id: str,
    wanted: ApprovalDecide,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Answer a question, once: approve or reject. 409 when it was answered or has expired."""
    promise = once(request, caller, idempotency_key, fingerprint_of(wanted.model_dump_json()))
    answer = await approvals.decide_approval(parts.engine, caller, approval_id, wanted, promise)
    return send_answer(answer)
