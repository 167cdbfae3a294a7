"""/projects/{id}/artifacts: the files agents made, listed and downloaded."""

from pathlib import PurePosixPath
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Query
from starlette.background import BackgroundTask
from starlette.responses import Response, StreamingResponse

from nexus.routers.access import Opened, Reader
from nexus.schemas.artifacts import Artifact
from nexus.schemas.lists import Page, PageParams
from nexus.services import artifacts

router = APIRouter(tags=["results"])

# What a browser does nothing with but show; everything else is handed over as plain bytes.
HARMLESS: Final = {
    ".csv": "text/csv; charset=utf-8",
    ".gif": "image/gif",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".png": "image/png",
    ".txt": "text/plain; charset=utf-8",
    ".webp": "image/webp",
}


@router.get("/projects/{project_id}/artifacts")
@router.get("/projects/{project_id}/artifacts/", include_in_schema=False)
async def list_artifacts(
    caller: Reader, parts: Opened, project_id: str, page: Annotated[PageParams, Query()]
) -> Page[Artifact]:
    """List the files that agents made, those written last at the end."""
    return await artifacts.list_artifacts(parts.database, caller, project_id, page)


@router.get(
    "/projects/{project_id}/artifacts/{path:path}",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}}},
)
async def download_artifact(caller: Reader, parts: Opened, project_id: str, path: str) -> Response:
    """Download one of them, as it is now."""
    found = await artifacts.open_artifact(
        parts.database, parts.settings.data, caller, project_id, path
    )
    kind = HARMLESS.get(PurePosixPath(found.name).suffix.lower(), "application/octet-stream")
    return StreamingResponse(
        found.chunks(),
        headers={
            "Content-Type": kind,
            "Content-Length": str(found.size),
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(found.name, safe='')}",
            "Content-Security-Policy": "sandbox; default-src 'none'",
        },
        background=BackgroundTask(found.file.close),  # also when nobody reads it
    )
