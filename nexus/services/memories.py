"""What a caller may see and do with the memories of its workspace."""

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Row, String, cast, select

from nexus.domain.clock import rfc3339
from nexus.domain.ids import new_id
from nexus.domain.remembering import MemoryKind, Trust
from nexus.domain.text import clean
from nexus.errors import (
    FieldProblem,
    InvalidInput,
    PermanentFailure,
    ServiceMissing,
    TransientFailure,
)
from nexus.memory.catalogue import NewEntry, Prepared
from nexus.memory.passages import MEMORIES
from nexus.models.database import Database
from nexus.models.memories import Memory as MemoryRow
from nexus.models.memories import MemoryChange as ChangeRow
from nexus.models.passages import Document, DocumentContent
from nexus.models.writing import Query, Transaction
from nexus.orchestrator.engine import WorkflowEngine
from nexus.orchestrator.memories import (
    About,
    add_memory,
    delete_memory,
    edit_memory,
    no_memory,
)
from nexus.orchestrator.turn import Turn
from nexus.schemas.lists import Page, PageParams
from nexus.schemas.memories import (
    Memory,
    MemoryChange,
    MemoryCreate,
    MemoryEdit,
    MemoryLine,
    MemoryListParams,
    MemorySource,
)
from nexus.services.caller import Caller
from nexus.services.cursors import Cursor, page_of
from nexus.services.idempotency import Answer, Once
from nexus.services.reads import reading
from nexus.tools.fetch.page import visible

if TYPE_CHECKING:
    from nexus.memory.store import Memory as Store

COLUMNS: Final = (
    MemoryRow.id,
    MemoryRow.kind,
    MemoryRow.trust,
    MemoryRow.status,
    MemoryRow.superseded_by,
    MemoryRow.sources,
    MemoryRow.created_at,
    MemoryRow.updated_at,
    Document.title,
    Document.bytes,
    Document.project_id,
    Document.coming,
    Document.sha256,
)


async def list_memories(
    database: Database, caller: Caller, wanted: MemoryListParams
) -> Page[MemoryLine]:
    """List the workspace's memories, newest first."""
    at = Cursor.read(wanted.cursor)
    statement = (
        select(*COLUMNS)
        .join(Document, Document.id == MemoryRow.id)
        .where(MemoryRow.workspace == caller.workspace)
        .order_by(MemoryRow.created_at.desc(), MemoryRow.id.desc())
        .limit(wanted.limit + 1)
    )
    if at:
        statement = statement.where(at.before(MemoryRow.created_at, MemoryRow.id))
    if wanted.kind:
        statement = statement.where(MemoryRow.kind == wanted.kind)
    if wanted.status:
        statement = statement.where(MemoryRow.status == wanted.status)
    if wanted.q:
        statement = statement.where(Document.title.icontains(wanted.q, autoescape=True))
    if wanted.project_id:
        # Merged ones name every project they came out of.
        named = cast(MemoryRow.sources, String).contains(
            f'"project_id":"{wanted.project_id}"', autoescape=True
        )
        statement = statement.where(named)
    async with reading(database) as session:
        rows = (await session.execute(statement)).all()
    shown, following = page_of(rows, wanted.limit)
    return Page(items=[MemoryLine(**_line(row)) for row in shown], next_cursor=following)


async def get_memory(database: Database, caller: Caller, memory_id: str) -> Memory:
    """Show one memory, with its text and where it comes from.

    Raises:
        NotFound: unknown, or another workspace's.
    """
    row = await _find(database, caller, memory_id)
    sources = [MemorySource(**one) for one in row.sources or []]
    return Memory(**_line(row), text=bytes(row.content).decode("utf-8", "replace"), sources=sources)


async def create_memory(
    engine: WorkflowEngine, memory: "Store", caller: Caller, wanted: MemoryCreate, once: Once
) -> Answer:
    """Remember what a person says; it can be found at once."""
    made = await _prepare(
        memory, _entry(caller.workspace, new_id("mem"), wanted.title, wanted.text), 1
    )
    about = About(MemoryKind(wanted.kind), Trust.USER)

    def act() -> Transaction[Answer]:
        yield from add_memory(made, about, caller.key_id)
        return (yield from _answer(made, about))

    answer = await engine.run(lambda turn: once.wrap(act))
    if not answer.replayed:
        with suppress(ServiceMissing, TransientFailure):  # an audit puts it there
            await memory.publish(made)
    return answer


async def change_memory(
    parts: "tuple[Database, WorkflowEngine, Store]",
    caller: Caller,
    memory_id: str,
    wanted: MemoryEdit,
) -> Memory:
    """Change a memory's title or text; searches see the new text at once.

    Raises:
        InvalidInput: there is nothing to change.
        NotFound: unknown, or another workspace's.
        Conflict: it is not active, or was changed meanwhile.
    """
    database, engine, memory = parts
    if wanted.title is None and wanted.text is None:
        raise InvalidInput(
            "there is nothing to change",
            hint="send title, text or both",
            problems=(FieldProblem("body", "empty"),),
        )
    row = await _find(database, caller, memory_id)
    text = bytes(row.content).decode("utf-8", "replace") if wanted.text is None else wanted.text
    entry = _entry(caller.workspace, memory_id, wanted.title or row.title, text)
    changes_text = entry.sha256 != row.sha256
    made = (
        await _prepare(memory, entry, row.coming + 1)
        if changes_text
        else Prepared(entry, row.coming, memory.embedding, ())
    )

    def act(turn: Turn) -> Transaction[None]:
        yield from edit_memory(made, row.sha256, caller.key_id, changes_text=changes_text)

    await engine.run(act)
    if changes_text:
        with suppress(ServiceMissing, TransientFailure):  # an audit puts it there
            await memory.publish(made)
        with suppress(ServiceMissing, TransientFailure):
            await memory.tidy()
    return await get_memory(database, caller, memory_id)


async def remove_memory(
    engine: WorkflowEngine, memory: "Store", caller: Caller, memory_id: str
) -> None:
    """Delete a memory; copies of vectors that are out of reach go later.

    Raises:
        NotFound: unknown, or another workspace's.
    """
    await engine.run(lambda turn: delete_memory(caller.workspace, memory_id, caller.key_id))
    with suppress(ServiceMissing, TransientFailure):
        await memory.tidy()


async def list_changes(
    database: Database, caller: Caller, memory_id: str, page: PageParams
) -> Page[MemoryChange]:
    """List what happened to a memory, newest first; also to one that is deleted.

    Raises:
        NotFound: there never was one, or it is another workspace's.
    """
    at = Cursor.read(page.cursor)
    known = (ChangeRow.memory_id == memory_id) & (ChangeRow.workspace == caller.workspace)
    statement = (
        select(ChangeRow).where(known).order_by(ChangeRow.number.desc()).limit(page.limit + 1)
    )
    if at:
        statement = statement.where(ChangeRow.number < at.number)
    async with reading(database) as session:
        rows = (await session.scalars(statement)).all()
        if not rows and not (await session.scalars(select(ChangeRow).where(known).limit(1))).all():
            raise no_memory()
    shown = rows[: page.limit]
    items = [
        MemoryChange(act=row.act, by=row.author, data=row.data or {}, at=rfc3339(row.at) or "")
        for row in shown
    ]
    following = Cursor(shown[-1].number, "").write() if len(rows) > page.limit else None
    return Page(items=items, next_cursor=following)


async def _find(database: Database, caller: Caller, memory_id: str) -> Row[Any]:
    statement = (
        select(*COLUMNS, DocumentContent.content)
        .join(Document, Document.id == MemoryRow.id)
        .join(DocumentContent, DocumentContent.document_id == MemoryRow.id)
        .where(MemoryRow.id == memory_id, MemoryRow.workspace == caller.workspace)
    )
    async with reading(database) as session:
        row: Row[Any] | None = (await session.execute(statement)).one_or_none()
    if row is None:
        raise no_memory()
    return row


async def _prepare(memory: "Store", entry: NewEntry, edition: int) -> Prepared:
    with suppress(PermanentFailure):
        made = await memory.prepare(entry, edition)
        if made.cuts:
            return made
    raise InvalidInput(
        "there is no text in it that could be found again",
        hint="write words",
        problems=(FieldProblem("text", "no words"),),
    )


def _entry(workspace: str, memory_id: str, title: str, text: str) -> NewEntry:
    # What a person would not see is not remembered either.
    content = visible(clean(text)).encode()
    return NewEntry(
        memory_id,
        workspace,
        MEMORIES,
        None,
        " ".join(visible(clean(title)).split()) or "untitled",
        "text/plain",
        content,
        hashlib.sha256(content).hexdigest(),
    )


def _answer(made: Prepared, about: About) -> Transaction[Answer]:
    entry = made.entry
    rows = yield Query("SELECT created_at FROM memories WHERE id = $1", (entry.id,))
    at = rfc3339(rows[0][0]) or ""
    shown = Memory(
        id=entry.id,
        kind=about.kind.value,
        title=entry.title,
        trust=about.trust.value,
        status="active",
        superseded_by=None,
        project_id=None,
        bytes=len(entry.content),
        created_at=at,
        updated_at=at,
        text=entry.content.decode(),
        sources=[],
    )
    return Answer(201, shown.model_dump_json(), f"/memory/{entry.id}")


def _line(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": row.kind,
        "title": row.title,
        "trust": row.trust,
        "status": row.status,
        "superseded_by": row.superseded_by,
        "project_id": row.project_id,
        "bytes": row.bytes,
        "created_at": rfc3339(row.created_at) or "",
        "updated_at": rfc3339(row.updated_at) or "",
    }
