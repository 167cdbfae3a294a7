"""Passages for a brief, looked up before the first model call.

Called by the model-driven agents; the look-up is journalled like any tool call. A memory
that is out of reach means no passages, never a failed task.
"""

from collections.abc import Mapping
from typing import Final

from nexus.agents.canonical import fingerprint
from nexus.agents.context import Context
from nexus.agents.prompt import Quote
from nexus.domain.citing import cite, mark_of_passage
from nexus.domain.seam import Call, CallKind, Effect, Json, Recorded
from nexus.domain.work import Brief
from nexus.errors import ServiceMissing
from nexus.memory.passages import MEMORIES, REMEMBERED, Passage, Where

KEY: Final = "retrieval"
PASSAGES: Final = 8
MEMORIES_SHOWN: Final = 4
MAX_QUERY_CHARS: Final = 2_000


async def retrieve(brief: Brief, context: Context) -> list[Quote]:
    """Return the passages nearest to the task: of the documents at hand, and of memories.

    Memories are of earlier work: whoever reads one that no person wrote has read what
    strangers may have written.
    """
    if not (brief.documents or brief.recalls):
        return []
    query = query_of(brief)
    documents = [note.id for note in brief.documents]
    request: dict[str, Json] = {"query": query, "k": PASSAGES, "document_ids": [*documents]}
    if brief.recalls:
        request["memories"] = MEMORIES_SHOWN

    async def look_up(_: str) -> Recorded:
        try:
            return Recorded(await _look_up(brief, context, query))
        except ServiceMissing as missing:
            return Recorded([], outcome=f"missing: {missing.message}"[:200])

    call = Call(
        CallKind.TOOL, "search_memory", KEY, fingerprint(request), Effect.READ, request=request
    )
    found = await context.seam.call(call, look_up)
    rows = [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
    if context.scope.guard and any(row.get("trust", "user") != "user" for row in rows):
        context.scope.guard.distrust()
    return [_quote(row, is_cited=brief.chat is None and brief.submission is None) for row in rows]


async def _look_up(brief: Brief, context: Context, query: str) -> list[Json]:
    memory = context.scope.equipment.memory
    documents = tuple(note.id for note in brief.documents)
    found: list[Json] = []
    if documents:
        where = Where(context.workspace, document_ids=documents)
        found_here = await memory.search(where, query, k=PASSAGES, even_if_far=True)
        passages = found_here.passages
        found += [_row(passage) for passage in passages]
    if brief.recalls:
        where = Where(context.workspace, MEMORIES)
        recalled = await memory.recall(where, query, k=MEMORIES_SHOWN)
        found += [{**_row(one.passage), "trust": one.trust} for one in recalled]
    return found


def _row(passage: Passage) -> dict[str, Json]:
    return {
        "text": passage.text,
        "score": passage.score,
        "document_id": passage.document_id,
        "title": passage.title,
        "locator": passage.locator,
        "passage_id": passage.id,
        "cite": cite(mark_of_passage(passage.id)),
    }


def query_of(brief: Brief) -> str:
    """Choose what to search for: the task's own words, or the goal when planning."""
    if brief.chat is not None:
        return brief.instructions[:MAX_QUERY_CHARS]
    own = f"{brief.task.title}\n{brief.instructions}".strip() or brief.goal
    return own[:MAX_QUERY_CHARS]


def _quote(row: Mapping[str, Json], *, is_cited: bool) -> Quote:
    trust = row.get("trust")
    return Quote(
        str(row.get("text", "")),
        str(row.get("title", "")),
        str(row.get("locator", "")),
        str(row.get("document_id", "")),
        REMEMBERED.format(trust=trust) if trust else "",
        str(row.get("cite", "")) if is_cited else "",
    )
