"""Artifacts: list what agents have made, and open one for download."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from nexus.domain.clock import rfc3339
from nexus.errors import NotFound, ToolRefused
from nexus.models.database import Database
from nexus.models.projects import Artifact as ArtifactRow
from nexus.models.projects import Project as ProjectRow
from nexus.orchestrator.folders import folder_of
from nexus.schemas.artifacts import Artifact
from nexus.schemas.lists import Page, PageParams
from nexus.services.caller import Caller
from nexus.services.cursors import Cursor
from nexus.services.projects import no_project
from nexus.services.reads import reading
from nexus.tools.files import open_file

CHUNK: Final = 256 * 1024
COLUMNS: Final = (
    ArtifactRow.path,
    ArtifactRow.bytes,
    ArtifactRow.sha256,
    ArtifactRow.task_id,
    ArtifactRow.created_at,
)


@dataclass(frozen=True, slots=True)
class Download:
    """An artifact opened for reading; `size` in bytes is that of the file now."""

    name: str
    size: int
    file: BinaryIO

    def chunks(self) -> Iterator[bytes]:
        """Read the file to the end it had when it was opened, and close it."""
        left = self.size
        with self.file as file:
            while left > 0 and (chunk := file.read(min(CHUNK, left))):
                left -= len(chunk)
                yield chunk


async def list_artifacts(
    database: Database, caller: Caller, project_id: str, page: PageParams
) -> Page[Artifact]:
    """List a project's artifacts, those written last at the end.

    A cursor holds the time of the last row and how many of that time were shown: what is
    written anew meanwhile comes once more at the end, and nothing is left out.

    Raises:
        NotFound: unknown project, or another workspace's.
    """
    at = Cursor.read(page.cursor)
    since = at.number if at else 0
    passed = int(at.id) if at and at.id.isdigit() else 0
    async with reading(database) as session:
        await _require_project(session, caller, project_id)
        rows = (
            await session.execute(
                select(*COLUMNS)
                .where(ArtifactRow.project_id == project_id, ArtifactRow.created_at >= since)
                .order_by(ArtifactRow.created_at, ArtifactRow.path)
                .offset(passed)
                .limit(page.limit + 1)
            )
        ).all()
    shown = rows[: page.limit]
    following = None
    if len(rows) > page.limit:
        last = shown[-1].created_at
        same = sum(row.created_at == last for row in shown) + (passed if last == since else 0)
        following = Cursor(last, str(same)).write()
    return Page(items=[_show(row) for row in shown], next_cursor=following)


async def open_artifact(
    database: Database, data: Path, caller: Caller, project_id: str, path: str
) -> Download:
    """Open an artifact of a project.

    Raises:
        NotFound: there is no such artifact, or its file is not on this machine.
    """
    async with reading(database) as session:
        await _require_project(session, caller, project_id)
        row = (
            await session.execute(
                select(ArtifactRow.path).where(
                    ArtifactRow.project_id == project_id, ArtifactRow.path == path
                )
            )
        ).one_or_none()
    if row is None:
        raise NotFound("there is no such artifact")
    try:
        file, size = open_file(folder_of(data, caller.workspace, project_id), row.path)
    except (ToolRefused, FileNotFoundError) as gone:
        raise NotFound(
            "the file of this artifact is not there any more",
            code="artifact_gone",
            hint="code of the project may have removed it; machines that share no data directory "
            "have the files of their own workers only",
        ) from gone
    return Download(path.rpartition("/")[2], size, file)


async def _require_project(session: AsyncSession, caller: Caller, project_id: str) -> None:
    owner = select(ProjectRow.id).where(
        ProjectRow.id == project_id, ProjectRow.workspace == caller.workspace
    )
    if (await session.execute(owner)).one_or_none() is None:
        raise no_project()


def _show(row: Any) -> Artifact:
    return Artifact(
        path=row.path,
        bytes=row.bytes,
        sha256=row.sha256,
        task_id=row.task_id,
        created_at=rfc3339(row.created_at) or "",
    )
