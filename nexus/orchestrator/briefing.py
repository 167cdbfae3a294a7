"""The workspace folder of a claimed subtask: made, given the documents at hand, told to the agent."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import select

from nexus.domain.states import SubtaskKind
from nexus.domain.work import Brief, DocumentNote
from nexus.errors import Fenced, NotNow, TransientFailure
from nexus.models.database import Database
from nexus.models.passages import Document, DocumentContent
from nexus.orchestrator import copies
from nexus.orchestrator.citations import with_citations_of
from nexus.orchestrator.claiming import Claimed
from nexus.orchestrator.copies import Copy
from nexus.orchestrator.folders import Folders, Places
from nexus.orchestrator.material import DocumentAtHand
from nexus.orchestrator.rounds import read_part, read_revision, read_submission
from nexus.orchestrator.standing import read_budget, read_standing
from nexus.orchestrator.transitions.offshoots import REVIEWER
from nexus.orchestrator.value_files import ValueFiles
from nexus.tools.shelf import FOLDER, Shelf

AGAIN_SECONDS: Final = 1.0
ADDED: Final = (
    SubtaskKind.PLAN,
    SubtaskKind.REPLAN,
    SubtaskKind.REVIEW,
    SubtaskKind.REVISE,
    SubtaskKind.DELEGATED,
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Briefing:
    """The brief of a claimed subtask with its documents, and where its project's files are."""

    brief: Brief
    places: Places


async def brief_claimed(database: Database, folders: Folders, claimed: Claimed) -> Briefing:
    """Put a project's documents in its workspace folder and tell the agent where they are.

    Raises:
        Fenced: the project is gone.
        NotNow: documents that came before it are still being read.
        TransientFailure: its documents cannot be put there.
    """
    if claimed.material is None or not claimed.place:
        raise Fenced(f"the project of {claimed.held.subtask_id} is gone")
    if claimed.material.at_hand.is_early:
        raise NotNow(
            "documents that were added before are still being read",
            hint="wait; it goes on by itself",
            code="documents_processing",
            retry_after_seconds=AGAIN_SECONDS,
        )
    places = await folders.of(claimed.workspace, claimed.place)
    brief = claimed.material.brief
    if claimed.kind in ADDED:
        brief = await _add(database, claimed, brief)
    if claimed.agent == REVIEWER and claimed.project_id:
        files = ValueFiles(places.values)
        brief = await with_citations_of(database, files, claimed.project_id, brief)
    documents = claimed.material.at_hand.documents
    notes = tuple(_note(one, documents) for one in documents)
    wanted = [
        Copy(note.id, one.sha256, note.file.removeprefix(f"{FOLDER}/"))
        for note, one in zip(notes, documents, strict=True)
    ]
    await _provide(database, folders.shelf, places, wanted)
    return Briefing(replace(brief, documents=notes), places)


async def _add(database: Database, claimed: Claimed, brief: Brief) -> Brief:
    """Add what subtasks of these kinds are about."""
    subtask_id = claimed.held.subtask_id
    if claimed.kind is SubtaskKind.REVIEW:
        return await read_submission(database, subtask_id, brief)
    if claimed.kind is SubtaskKind.REVISE:
        return replace(brief, revision=await read_revision(database, subtask_id))
    if claimed.kind is SubtaskKind.DELEGATED:
        return await read_part(database, claimed, brief)
    project_id = claimed.project_id or ""
    brief = replace(brief, budget=await read_budget(database, project_id))
    if claimed.kind is SubtaskKind.PLAN:
        return brief
    return replace(brief, standing=await read_standing(database, project_id, subtask_id))


def _note(row: DocumentAtHand, among: Sequence[DocumentAtHand]) -> DocumentNote:
    name = _file_name(row.title)
    if sum(_file_name(other.title) == name for other in among) > 1:
        name = f"{row.id}_{name}"
    return DocumentNote(row.id, row.title, row.media_type, row.bytes, f"{FOLDER}/{name}")


def _file_name(title: str) -> str:
    name = re.sub(r"[^\w.-]+", "_", Path(title).name, flags=re.ASCII).strip("._") or "document"
    return name[:120]


async def _provide(
    database: Database, shelf: Shelf, places: Places, wanted: Sequence[Copy]
) -> None:
    """Put documents into the workspace folder that are not there yet; take back what is gone."""
    try:
        if not wanted and not copies.are_there(places.copies):
            return
        await _clear(database, places, wanted)
        for one in wanted:
            if await asyncio.to_thread(shelf.has, places.workspace, one.name, one.digest):
                continue
            async with shelf.placing:  # one at a time: they are large, and many tasks want the same
                if not await asyncio.to_thread(shelf.has, places.workspace, one.name, one.digest):
                    await _place(database, shelf, places, one)
    except OSError as wrong:
        raise TransientFailure(
            f"the documents could not be put into the project's folder: {wrong.strerror}",
            hint="check free disk space and permissions of the data directory",
        ) from wrong


async def _clear(database: Database, places: Places, wanted: Sequence[Copy]) -> None:
    """Write down what will be there, and remove copies of documents that are deleted or renamed."""
    known = await asyncio.to_thread(copies.read, places.copies)
    files = {one.file for one in wanted}
    ids = {one.document_id for one in wanted}
    missing = files - {one.file for one in known}
    if missing:
        new = [one for one in wanted if one.file in missing]
        await asyncio.to_thread(copies.note, places.copies, new)
    strange = [one for one in known if one.file not in files]
    if not strange:
        return
    async with database.read() as session:
        others = {one.document_id for one in strange} - ids
        found = await session.execute(select(Document.id).where(Document.id.in_(others)))
        there = set(found.scalars())
    # What is merely not at hand now may be at hand for a task that is at work.
    gone = [one for one in strange if one.document_id not in there]
    await asyncio.to_thread(copies.take_back, places.copies, places.workspace, gone)


async def _place(database: Database, shelf: Shelf, places: Places, one: Copy) -> None:
    async with database.read() as session:
        content = await session.scalar(
            select(DocumentContent.content).where(DocumentContent.document_id == one.document_id)
        )
    if content is not None:  # else it was removed meanwhile
        await asyncio.to_thread(shelf.put, places.workspace, one.name, content)
        # Once more: it may have been deleted, and taken back, while it was written.
        await asyncio.to_thread(copies.note, places.copies, [one])
