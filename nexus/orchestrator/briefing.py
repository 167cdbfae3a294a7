"""What an agent is told: read once, from one snapshot, before it runs. Writes only workspace files."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from nexus.domain.states import SubtaskKind
from nexus.domain.work import Brief, DocumentNote, TaskBrief
from nexus.errors import Fenced
from nexus.models.database import Database
from nexus.models.projects import Edge, Project, Task
from nexus.models.work import Document, DocumentContent, Subtask
from nexus.orchestrator.claiming import Claimed

MAX_DOCUMENTS: Final = 100
PLAN_KEY: Final = "plan"


@dataclass(frozen=True, slots=True)
class Briefing:
    """The brief of a claimed subtask, and what its project chose."""

    brief: Brief
    model: str | None
    document_ids: tuple[str, ...] | None
    folder: Path


async def brief_claimed(database: Database, data: Path, claimed: Claimed) -> Briefing:
    """Read the brief of a project's subtask and put its documents in the workspace folder.

    Raises:
        Fenced: the project is gone.
    """
    folder = data / "workspaces" / claimed.workspace / (claimed.project_id or "none")
    async with database.read() as session:
        found = await session.execute(
            select(Project.goal, Project.model, Project.document_ids).where(
                Project.id == claimed.project_id
            )
        )
        project = found.one_or_none()
        if project is None:
            raise Fenced(f"the project of {claimed.held.subtask_id} is gone")
        chosen = None if project.document_ids is None else tuple(project.document_ids)
        documents = await _documents(session, claimed.workspace, chosen)
        if claimed.kind is SubtaskKind.PLAN:
            task = TaskBrief(PLAN_KEY, "Plan the project", claimed.agent)
            brief = Brief(project.goal, task, project.goal)
        else:
            brief = await _task_brief(session, claimed, project.goal)
    notes = tuple(_note(row, documents) for row in documents)
    await _provide(database, folder, notes, {row.id: row.sha256 for row in documents})
    told = Brief(brief.goal, brief.task, brief.instructions, brief.acceptance, brief.inputs, notes)
    return Briefing(told, project.model, chosen, folder)


async def _task_brief(session: AsyncSession, claimed: Claimed, goal: str) -> Brief:
    task = (await session.execute(select(Task).where(Task.id == claimed.task_id))).scalar_one()
    source = aliased(Task)
    rows = await session.execute(
        select(source.key, Subtask.output)
        .select_from(Edge)
        .join(source, (source.project_id == Edge.project_id) & (source.node == Edge.source))
        .join(Subtask, Subtask.id == source.subtask_id)
        .where(Edge.project_id == task.project_id, Edge.target == task.node, Edge.data == 1)
        .order_by(source.node)
    )
    return Brief(
        goal,
        TaskBrief(task.key, task.title, task.agent),
        task.instructions,
        tuple(task.acceptance or ()),
        {key: output or "" for key, output in rows},
    )


DocumentRow = Row[str, str, str, int, str]


async def _documents(
    session: AsyncSession, workspace: str, chosen: tuple[str, ...] | None
) -> Sequence[DocumentRow]:
    """List the documents at hand: those the project chose, else every ready one."""
    query = select(
        Document.id, Document.title, Document.media_type, Document.bytes, Document.sha256
    ).where(Document.workspace == workspace)
    if chosen is None:
        query = query.where(Document.status == "ready")
    else:
        query = query.where(Document.id.in_(chosen))
    rows = await session.execute(
        query.order_by(Document.created_at, Document.id).limit(MAX_DOCUMENTS)
    )
    return rows.all()


def _note(row: DocumentRow, among: Sequence[DocumentRow]) -> DocumentNote:
    name = re.sub(r"[^\w.-]+", "_", Path(row.title).name, flags=re.ASCII).strip("._") or "document"
    if sum(other.title == row.title for other in among) > 1:
        name = f"{row.id}_{name}"
    return DocumentNote(row.id, row.title, row.media_type, row.bytes, f"documents/{name[:120]}")


async def _provide(
    database: Database, folder: Path, notes: Sequence[DocumentNote], digests: dict[str, str]
) -> None:
    """Put documents into the workspace folder that are not there yet."""
    await asyncio.to_thread((folder / "documents").mkdir, parents=True, exist_ok=True)
    for note in notes:
        file = folder / note.file
        if await asyncio.to_thread(_is_there, file, digests[note.id]):
            continue
        async with database.read() as session:
            content = await session.scalar(
                select(DocumentContent.content).where(DocumentContent.document_id == note.id)
            )
        if content is not None:
            await asyncio.to_thread(_write_whole, file, content)


def _is_there(file: Path, digest: str) -> bool:
    return file.is_file() and sha256(file.read_bytes()).hexdigest() == digest


def _write_whole(file: Path, content: bytes) -> None:
    draft = file.with_name(f".{file.name}.draft")
    draft.write_bytes(content)
    draft.replace(file)


async def read_document(database: Database, document_id: str) -> tuple[str, str, bytes]:
    """Return (title, media type, content) of a document.

    Raises:
        Fenced: the document is gone.
    """
    async with database.read() as session:
        rows = await session.execute(
            select(Document.title, Document.media_type, DocumentContent.content)
            .join(DocumentContent, DocumentContent.document_id == Document.id)
            .where(Document.id == document_id)
        )
        found = rows.one_or_none()
    if found is None:
        raise Fenced(f"the document {document_id} is gone")
    return found.title, found.media_type, found.content
