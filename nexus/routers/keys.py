"""/keys: API keys, for keys with the scope `admin`."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from nexus.routers.access import Admin, IdempotencyKey, Keys, Opened, once
from nexus.routers.answers import send_answer
from nexus.schemas.keys import Key, KeyCreate, KeyListParams, KeyMade, KeyParams
from nexus.schemas.lists import Page
from nexus.services import keys
from nexus.services.idempotency import fingerprint_of

router = APIRouter(tags=["keys"])


@router.post("/keys", status_code=201, response_model=KeyMade)
@router.post("/keys/", status_code=201, response_model=KeyMade, include_in_schema=False)
async def create_key(
    request: Request,
    caller: Admin,
    parts: Opened,
    keyring: Keys,
    wanted: KeyCreate,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Make a key. Its text is in this answer and nowhere else."""
    promise = once(request, caller, idempotency_key, fingerprint_of(wanted.model_dump_json()))
    answer = await keys.create_key(parts.database, keyring.secret, caller, wanted, promise)
    return send_answer(answer)


@router.get("/keys")
@router.get("/keys/", include_in_schema=False)
async def list_keys(
    caller: Admin, parts: Opened, wanted: Annotated[KeyListParams, Query()]
) -> Page[Key]:
    """List keys, newest first, revoked ones too."""
    return await keys.list_keys(parts.database, caller, wanted)


@router.delete("/keys/{key_id}", status_code=204)
async def revoke_key(
    caller: Admin,
    parts: Opened,
    keyring: Keys,
    key_id: str,
    wanted: Annotated[KeyParams, Query()],
) -> None:
    """Revoke a key: within 5 seconds no process takes it any more."""
    await keys.revoke_key(parts.database, caller, key_id, wanted.workspace)
    keyring.forget(key_id)
