"""/memory: what a workspace remembers of its work, for people to look at and put right."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from nexus.routers.access import Author, IdempotencyKey, Opened, Reader, once
from nexus.routers.answers import send_answer
from nexus.schemas.lists import Page, PageParams
from nexus.schemas.memories import (
    Memory,
    MemoryChange,
    MemoryCreate,
    MemoryEdit,
    MemoryLine,
    MemoryListParams,
)
from nexus.services import memories
from nexus.services.idempotency import fingerprint_of

router = APIRouter(tags=["memory"])


@router.get("/memory")
@router.get("/memory/", include_in_schema=False)
async def list_memories(
    caller: Reader, parts: Opened, wanted: Annotated[MemoryListParams, Query()]
) -> Page[MemoryLine]:
    """List memories, newest first."""
    return await memories.list_memories(parts.database, caller, wanted)


@router.post("/memory", status_code=201, response_model=Memory)
@router.post("/memory/", status_code=201, response_model=Memory, include_in_schema=False)
async def add_memory(
    request: Request,
    caller: Author,
    parts: Opened,
    wanted: MemoryCreate,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Remember something in your own words; agents of later projects find it."""
    promise = once(request, caller, idempotency_key, fingerprint_of(wanted.model_dump_json()))
    return send_answer(
        await memories.create_memory(parts.engine, parts.memory, caller, wanted, promise)
    )


@router.get("/memory/{memory_id}")
async def show_memory(caller: Reader, parts: Opened, memory_id: str) -> Memory:
    """Show a memory: its text, how far it can be trusted, and what it came from."""
    return await memories.get_memory(parts.database, caller, memory_id)


@router.patch("/memory/{memory_id}")
async def edit_memory(caller: Author, parts: Opened, memory_id: str, wanted: MemoryEdit) -> Memory:
    """Put a memory right."""
    opened = (parts.database, parts.engine, parts.memory)
    return await memories.change_memory(opened, caller, memory_id, wanted)


@router.delete("/memory/{memory_id}", status_code=204)
async def remove_memory(caller: Author, parts: Opened, memory_id: str) -> None:
    """Delete a memory: its text is gone, the line that says so stays."""
    await memories.remove_memory(parts.engine, parts.memory, caller, memory_id)


@router.get("/memory/{memory_id}/changes")
@router.get("/memory/{memory_id}/changes/", include_in_schema=False)
async def list_changes(
    caller: Reader, parts: Opened, memory_id: str, page: Annotated[PageParams, Query()]
) -> Page[MemoryChange]:
    """List what happened to a memory and who did it, newest first."""
    return await memories.list_changes(parts.database, caller, memory_id, page)
