"""Search what is in memory: documents, memories of earlier work, or both."""

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from nexus.errors import NotFound
from nexus.memory.passages import DOCUMENTS, MEMORIES, Findings, Where
from nexus.memory.passages import Passage as Found
from nexus.models.database import Database
from nexus.models.projects import Project
from nexus.schemas.documents import Passage, Passages, Search, SearchFilter
from nexus.services.caller import Caller
from nexus.services.reads import reading

if TYPE_CHECKING:
    from nexus.memory.store import Memory

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
NOTHING: Final = "nothing in memory resembles the question"


async def search_memory(
    memory: "Memory", database: Database, caller: Caller, wanted: Search
) -> Passages:
    """Find passages of the workspace's documents, or of its memories.

    Raises:
        NotFound: the workspace has no such project.
        ServiceMissing: Chroma is out of reach.
    """
    chosen = wanted.filter or SearchFilter.model_validate({})
    where = await _where(database, caller, chosen)
    await memory.check()
    items: list[Passage] = []
    note = None
    if DOCUMENTS in chosen.shelves:
        found = await memory.search(where, wanted.query, k=wanted.k, max_tokens=wanted.max_tokens)
        items += [_show(passage) for passage in found.passages]
        note = _note(found)
    if MEMORIES in chosen.shelves:
        there = Where(
            caller.workspace,
            MEMORIES,
            project_id=chosen.project_id,
            added_from=where.added_from,
            added_until=where.added_until,
        )
        recalled = await memory.recall(there, wanted.query, k=wanted.k)
        items += [_show(one.passage, one.trust) for one in recalled]
    items.sort(key=lambda one: -one.score)
    return Passages(items=items[: wanted.k], note=note or (None if items else NOTHING))


def _show(passage: Found, trust: str | None = None) -> Passage:
    return Passage(
        id=passage.id,
        text=passage.text,
        score=passage.score,
        similarity=passage.similarity,
        document_id=passage.document_id,
        title=passage.title,
        locator=passage.locator,
        shelf=MEMORIES if trust else DOCUMENTS,
        memory_id=passage.document_id if trust else None,
        trust=trust,
    )


def _note(found: Findings) -> str | None:
    if found.by_words_alone:
        return "by words alone: the embedding model is out of reach"
    return f"{found.left_out} more would not fit into max_tokens" if found.left_out else None


async def _where(database: Database, caller: Caller, wanted: SearchFilter) -> Where:
    chosen = wanted.document_ids
    if wanted.project_id is not None:
        own = await _documents_of(database, caller, wanted.project_id)
        if own is not None:
            chosen = own if chosen is None else [one for one in chosen if one in own]
    return Where(
        caller.workspace,
        document_ids=None if chosen is None else tuple(chosen),
        media_types=None if wanted.media_types is None else tuple(wanted.media_types),
        added_from=_microseconds(wanted.added_after),
        added_until=_microseconds(wanted.added_before),
    )


async def _documents_of(database: Database, caller: Caller, project_id: str) -> list[str] | None:
    """List the documents a project was given, None if it may use all of the workspace."""
    statement = select(Project.document_ids).where(
        Project.id == project_id, Project.workspace == caller.workspace
    )
    async with reading(database) as session:
        row = (await session.execute(statement)).one_or_none()
    if row is None:
        raise NotFound("no such project", hint="list them with GET /projects")
    listed: str | list[str] | None = row.document_ids
    return json.loads(listed) if isinstance(listed, str) else listed


def _microseconds(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - EPOCH) // timedelta(microseconds=1)
