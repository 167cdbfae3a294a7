"""/healthz and /readyz: the two addresses that need no key."""

from fastapi import APIRouter
from starlette.responses import Response

from nexus.routers.access import Opened
from nexus.schemas.health import Alive, Ready
from nexus.services.health import look_around

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> Alive:
    """Say that the process answers."""
    return Alive()


@router.get("/readyz", response_model=Ready)
async def readyz(parts: Opened) -> Response:
    """Say what is there: 200 when the database is, 503 when it is not."""
    found = await look_around(parts.database, parts.redis, parts.memory)
    status = 200 if found.status == "ready" else 503
    return Response(found.model_dump_json(), status, media_type="application/json")
