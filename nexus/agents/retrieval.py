"""Passages for a brief, looked up before the first model call.

Called by the model-driven agents; the look-up is journalled like any tool call. A memory
that is out of reach means no passages, never a failed task.
"""

from typing import Final

from nexus.agents.canonical import fingerprint
from nexus.agents.context import Context
from nexus.agents.prompt import Quote
from nexus.domain.seam import Call, CallKind, Effect, Json, Recorded
from nexus.domain.work import Brief
from nexus.errors import ServiceMissing
from nexus.memory.passages import Where

KEY: Final = "retrieval"
PASSAGES: Final = 8
MAX_QUERY_CHARS: Final = 2_000


async def retrieve(brief: Brief, context: Context) -> list[Quote]:
    """Return the passages nearest to the task; none when the brief has no documents at hand."""
    if not brief.documents:
        return []
    query = query_of(brief)
    documents = [note.id for note in brief.documents]
    request: Json = {"query": query, "k": PASSAGES, "document_ids": [*documents]}

    async def look_up(_: str) -> Recorded:
        memory = context.scope.equipment.memory
        try:
            where = Where(context.workspace, document_ids=tuple(documents))
            found = await memory.search(where, query, k=PASSAGES, even_if_far=True)
        except ServiceMissing as missing:
            return Recorded([], outcome=f"missing: {missing.message}"[:200])
        return Recorded(
            [
                {
                    "text": passage.text,
                    "score": passage.score,
                    "document_id": passage.document_id,
                    "title": passage.title,
                    "locator": passage.locator,
                }
                for passage in found.passages
            ]
        )

    call = Call(
        CallKind.TOOL, "search_memory", KEY, fingerprint(request), Effect.READ, request=request
    )
    return _quotes(await context.seam.call(call, look_up))


def query_of(brief: Brief) -> str:
    """Choose what to search for: the task's own words, or the goal when planning."""
    if brief.chat is not None:
        return brief.instructions[:MAX_QUERY_CHARS]
    own = f"{brief.task.title}\n{brief.instructions}".strip() or brief.goal
    return own[:MAX_QUERY_CHARS]


def _quotes(found: Json) -> list[Quote]:
    rows = found if isinstance(found, list) else []
    return [
        Quote(
            str(row.get("text", "")),
            str(row.get("title", "")),
            str(row.get("locator", "")),
            str(row.get("document_id", "")),
        )
        for row in rows
        if isinstance(row, dict)
    ]
