"""The workspace folder of a claimed subtask: made, given the documents at hand, told to the agent."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from sqlalchemy import select

from nexus.domain.work import Brief, DocumentNote
from nexus.errors import Fenced
from nexus.models.database import Database
from nexus.models.work import Document, DocumentContent
from nexus.orchestrator.claiming import Claimed
from nexus.orchestrator.material import DocumentAtHand


@dataclass(frozen=True, slots=True)
class Briefing:
    """The brief of a claimed subtask with its documents, and its project's workspace folder."""

    brief: Brief
    folder: Path


async def brief_claimed(
    database: Database, data: Path, claimed: Claimed, known: set[Path]
) -> Briefing:
    """Put a project's documents in its workspace folder and tell the agent where they are.

    Args:
        known: folders this process has made; added to.

    Raises:
        Fenced: the project is gone.
    """
    if claimed.material is None or claimed.project_id is None:
        raise Fenced(f"the project of {claimed.held.subtask_id} is gone")
    folder = data / "workspaces" / claimed.workspace / claimed.project_id
    documents = claimed.material.documents
    notes = tuple(_note(one, documents) for one in documents)
    if folder not in known:
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        known.add(folder)
    if notes:
        await _provide(database, folder, notes, {one.id: one.sha256 for one in documents})
    return Briefing(replace(claimed.material.brief, documents=notes), folder)


def _note(row: DocumentAtHand, among: Sequence[DocumentAtHand]) -> DocumentNote:
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
