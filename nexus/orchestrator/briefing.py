"""What an agent is told: read once, from one snapshot, before it runs. Writes only workspace files."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from nexus.domain.states import SubtaskKind
from nexus.domain.work import Brief, DocumentNote, TaskBrief
from nexus.errors import Fenced, TransientFailure
from nexus.models.database import Database
from nexus.models.projects import Edge, Project, Task
from nexus.models.work import Document, DocumentContent, Subtask
from nexus.orchestrator.claiming import Claimed
from nexus.tools.shelf import FOLDER, Shelf

MAX_DOCUMENTS: Final = 100
PLAN_KEY: Final = "plan"


@dataclass(frozen=True, slots=True)
class Briefing:
    """The brief of a claimed subtask, and what its project chose."""

    brief: Brief
    model: str | None
    document_ids: tuple[str, ...] | None
    folder: Path


async def brief_claimed(database: Database, data: Path, shelf: Shelf, claimed: Claimed) -> Briefing:
    """Read the brief of a project's subtask and put its documents in the workspace folder.

    Raises:
        Fenced: the project is gone.
        TransientFailure: its documents cannot be put into the workspace folder.
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
    digests = [row.sha256 for row in documents]
    await _provide(database, shelf, folder, list(zip(notes, digests, strict=True)))
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
    name = _file_name(row.title)
    if sum(_file_name(other.title) == name for other in among) > 1:
        name = f"{row.id}_{name}"
    return DocumentNote(row.id, row.title, row.media_type, row.bytes, f"{FOLDER}/{name}")


def _file_name(title: str) -> str:
    name = re.sub(r"[^\w.-]+", "_", Path(title).name, flags=re.ASCII).strip("._") or "document"
    return name[:120]


async def _provide(
    database: Database, shelf: Shelf, folder: Path, documents: Sequence[tuple[DocumentNote, str]]
) -> None:
    """Put documents into the workspace folder that are not there yet; each comes with its digest."""
    try:
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        for note, digest in documents:
            wanted = (folder, note.file.removeprefix(f"{FOLDER}/"), digest)
            if await asyncio.to_thread(shelf.has, *wanted):
                continue
            async with shelf.placing:  # one at a time: they are large, and many tasks want the same
                if not await asyncio.to_thread(shelf.has, *wanted):
                    await _place(database, shelf, wanted[:2], note.id)
    except OSError as wrong:
        raise TransientFailure(
            f"the documents could not be put into the project's folder: {wrong.strerror}",
            hint="check free disk space and permissions of the data directory",
        ) from wrong


async def _place(
    database: Database, shelf: Shelf, place: tuple[Path, str], document_id: str
) -> None:
    async with database.read() as session:
        content = await session.scalar(
            select(DocumentContent.content).where(DocumentContent.document_id == document_id)
        )
    if content is not None:  # else it was removed meanwhile
        await asyncio.to_thread(shelf.put, *place, content)


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
