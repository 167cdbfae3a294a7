"""Search what is in memory: documents, memories of earlier work, or both."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from nexus.errors import NotFound
from nexus.memory.fusing import within
from nexus.memory.passages import DOCUMENTS, MEMORIES, Where
from nexus.memory.passages import Passage as Found
from nexus.models.database import Database
from nexus.models.projects import Project
from nexus.schemas.documents import Passage, Passages, Search, SearchFilter
from nexus.services.caller import Caller
from nexus.services.reads import reading

if TYPE_CHECKING:
    from nexus.memory.store import Memory

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
BY_WORDS: Final = "by words alone: the embedding model is out of reach"
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
    found: list[tuple[Found, str | None]] = []  # with the trust of a memory
    note = None
    if DOCUMENTS in chosen.shelves:
        documents = await memory.search(where, wanted.query, k=wanted.k)
        found += [(passage, None) for passage in documents.passages]
        note = BY_WORDS if documents.by_words_alone else None
    if MEMORIES in chosen.shelves:
        recalled = await memory.recall(_among_memories(where, chosen), wanted.query, k=wanted.k)
        found += [(one.passage, one.trust) for one in recalled]
    best = sorted(found, key=lambda one: -one[0].score)[: wanted.k]
    places = within([passage.tokens for passage, _ in best], wanted.max_tokens)
    items = [_show(*best[at]) for at in places]
    return Passages(items=items, note=note or _note(len(best) - len(items), len(best)))


def _among_memories(where: Where, chosen: SearchFilter) -> Where:
    """Say the same of memories: their own ids, the project they are of, their types and times."""
    ids = chosen.document_ids
    return replace(
        where,
        shelf=MEMORIES,
        document_ids=None if ids is None else tuple(ids),
        project_id=chosen.project_id,
    )


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


def _note(left_out: int, found: int) -> str | None:
    if not found:
        return NOTHING
    return f"{left_out} more would not fit into max_tokens" if left_out else None


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
