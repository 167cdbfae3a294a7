"""Documents: take them in, list, show and remove them, search them."""

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urldefrag, urlsplit

from sqlalchemy import Row, select

from nexus.domain.clock import rfc3339
from nexus.errors import (
    FieldProblem,
    InvalidInput,
    NotFound,
    ServiceMissing,
    TransientFailure,
)
from nexus.memory.passages import DOCUMENTS
from nexus.models.database import Database
from nexus.models.passages import Document as DocumentRow
from nexus.models.writing import Query, Transaction
from nexus.orchestrator.copies import take_back_document
from nexus.orchestrator.documents import NewDocument, NewLink
from nexus.orchestrator.engine import WorkflowEngine
from nexus.orchestrator.turn import Turn
from nexus.schemas.documents import (
    Document,
    DocumentListParams,
)
from nexus.schemas.lists import Page
from nexus.services.caller import Caller
from nexus.services.cursors import Cursor, page_of
from nexus.services.idempotency import Answer, Once, fingerprint_of
from nexus.services.project_view import show_failure
from nexus.services.reads import reading

if TYPE_CHECKING:
    from nexus.memory.store import Memory

TITLE_LENGTH: Final = 200
HEAD_BYTES: Final = 8_192

COLUMNS: Final = (
    DocumentRow.id,
    DocumentRow.title,
    DocumentRow.media_type,
    DocumentRow.bytes,
    DocumentRow.status,
    DocumentRow.error,
    DocumentRow.passages,
    DocumentRow.created_at,
)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it came: its name and type are the client's word only."""

    file_name: str | None
    title: str | None
    media_type: str | None
    content: bytes
    source: str | None = None

    def fingerprint(self) -> str:
        """Hash what was sent, for the Idempotency-Key."""
        named = (self.file_name or "", self.title or "", self.source or "")
        return fingerprint_of(*named, self.content)


def title_of(upload: Upload) -> str:
    """Name a document: the title given, else the file's last path part."""
    given = upload.title or (upload.file_name or "").replace("\\", "/").rsplit("/", 1)[-1]
    title = "".join(c for c in given if c.isprintable()).strip()
    if not title:
        raise InvalidInput(
            "the document needs a title",
            code="no_title",
            hint="give the part `file` a file name, or send a part `title`",
            problems=(FieldProblem("title", "missing"),),
        )
    return title[:TITLE_LENGTH]


async def add_document(
    engine: WorkflowEngine, caller: Caller, upload: Upload, once: Once
) -> Answer:
    """Accept a document; a worker reads it into memory.

    Raises:
        InvalidInput: empty, without a title, or of a kind Nexus cannot read.
    """
    from nexus.memory.media import as_kept, recognise

    title = title_of(upload)
    # A title may have no suffix; the file's own name then says what it is.
    name = title if "." in title else (upload.file_name or title)
    media_type = recognise(name, upload.media_type, upload.content[:HEAD_BYTES])
    content = await asyncio.to_thread(as_kept, name, media_type, upload.media_type, upload.content)
    sha256 = hashlib.sha256(content).hexdigest()
    source = upload.source or (title if upload.title else upload.file_name) or title
    new = NewDocument(caller.workspace, title, media_type, content, sha256, source)

    return await _accept(engine, once, lambda turn: engine.add_document(turn, new))


async def add_link(
    engine: WorkflowEngine, caller: Caller, url: str, title: str | None, once: Once
) -> Answer:
    """Accept an address; a worker fetches what is there and reads it into memory.

    Raises:
        InvalidInput: it is no address of a page.
    """
    if not _is_address(url):
        raise InvalidInput(
            "the address is not one of a page",
            hint="write it as https://example.com/page, without a user name",
            problems=(FieldProblem("url", "not an http or https URL"),),
        )
    place = urldefrag(url).url
    new = NewLink(caller.workspace, title or place[:TITLE_LENGTH], place)
    return await _accept(engine, once, lambda turn: engine.add_link(turn, new))


def _is_address(url: str) -> bool:
    """Say whether a URL has the right form; where it leads to the fetcher checks."""
    if any(not one.isprintable() or one.isspace() for one in url):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc


async def _accept(
    engine: WorkflowEngine, once: Once, add: Callable[[Turn], Transaction[str]]
) -> Answer:
    def act(turn: Turn) -> Transaction[Answer]:
        document_id = yield from add(turn)
        rows = yield Query(
            "SELECT title, media_type, bytes, status, passages, created_at FROM documents "
            "WHERE id = $1",
            (document_id,),
        )
        title, media_type, size, status, passages, created_at = rows[0]
        shown = Document(
            id=document_id,
            title=title,
            media_type=media_type,
            bytes=size,
            status=status,
            error=None,
            passages=passages,
            created_at=rfc3339(created_at) or "",
        )
        return Answer(202, shown.model_dump_json(), f"/documents/{document_id}")

    return await engine.run(lambda turn: once.wrap(lambda: act(turn)))


async def list_documents(
    database: Database, caller: Caller, wanted: DocumentListParams
) -> Page[Document]:
    """List the workspace's documents, newest first."""
    at = Cursor.read(wanted.cursor)
    statement = (
        select(*COLUMNS)
        .where(DocumentRow.workspace == caller.workspace, DocumentRow.shelf == DOCUMENTS)
        .order_by(DocumentRow.created_at.desc(), DocumentRow.id.desc())
        .limit(wanted.limit + 1)
    )
    if at:
        statement = statement.where(at.before(DocumentRow.created_at, DocumentRow.id))
    if wanted.q:
        statement = statement.where(DocumentRow.title.icontains(wanted.q, autoescape=True))
    async with reading(database) as session:
        rows = (await session.execute(statement)).all()
    shown, following = page_of(rows, wanted.limit)
    return Page(items=[_show(row) for row in shown], next_cursor=following)


async def get_document(database: Database, caller: Caller, document_id: str) -> Document:
    """Show one document.

    Raises:
        NotFound: unknown, or another workspace's.
    """
    statement = select(*COLUMNS).where(
        DocumentRow.id == document_id,
        DocumentRow.workspace == caller.workspace,
        DocumentRow.shelf == DOCUMENTS,
    )
    async with reading(database) as session:
        row = (await session.execute(statement)).one_or_none()
    if row is None:
        raise NotFound("no such document", hint="list them with GET /documents")
    return _show(row)


def _show(row: Row[Any]) -> Document:
    return Document(
        id=row.id,
        title=row.title,
        media_type=row.media_type,
        bytes=row.bytes,
        status=row.status,
        error=show_failure(row.error),
        passages=row.passages,
        created_at=rfc3339(row.created_at) or "",
    )


async def remove_document(
    engine: WorkflowEngine, data: Path, memory: "Memory", caller: Caller, document_id: str
) -> None:
    """Delete a document, its passages, and its copies in folders of projects here.

    What is out of reach (vectors in Chroma, folders on other machines) goes later.

    Raises:
        NotFound: unknown, or another workspace's.
    """
    await engine.run(lambda turn: engine.remove_document(turn, caller.workspace, document_id))
    with suppress(OSError):
        await asyncio.to_thread(take_back_document, data, caller.workspace, document_id)
    with suppress(ServiceMissing, TransientFailure):
        await memory.tidy()
