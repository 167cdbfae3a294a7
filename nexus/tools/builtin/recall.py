"""The tool that searches the documents in memory."""

from nexus.domain.seam import Effect, Json
from nexus.errors import ToolRefused
from nexus.tools.scope import ToolScope
from nexus.tools.spec import tool


@tool(effect=Effect.READ)
async def search_memory(scope: ToolScope, query: str) -> Json:
    """Find the passages of the documents at hand that fit a query best, with their sources."""
    if not query.strip():
        raise ToolRefused("search_memory: the query is empty")
    passages = await scope.equipment.memory.search(
        scope.workspace, query[:2_000], document_ids=scope.document_ids
    )
    return [
        {
            "text": passage.text,
            "title": passage.title,
            "locator": passage.locator,
            "document_id": passage.document_id,
            "score": passage.score,
        }
        for passage in passages
    ]
