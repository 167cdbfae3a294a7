"""Read a claimed document into memory: what an `ingest` subtask does, after fetching it if need be."""

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy import select

from nexus.catalogue.rows import Edition
from nexus.catalogue.staging import SqlStaging
from nexus.errors import Fenced, InvalidInput, PermanentFailure, ToolRefused
from nexus.memory.media import as_kept, recognise
from nexus.memory.passages import SourceDocument
from nexus.models.database import Database
from nexus.models.passages import Document, DocumentContent
from nexus.models.writing import Transaction
from nexus.orchestrator.claiming import Claimed
from nexus.orchestrator.documents import Reading, keep_fetched, stay_at
from nexus.orchestrator.transitions.calls import still_held
from nexus.tools.fetch.page import Download
from nexus.tools.scope import Equipment

HEAD_BYTES: Final = 8_192
MOST_FETCHED: Final = 20_000_000
PAGES: Final = ("text/html", "application/xhtml+xml")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The edition that was asked for last; `url` says where it has yet to be fetched."""

    source: SourceDocument
    edition: Edition
    url: str | None
    seen: Reading | None  # what is seen now
    sha256: str


async def ingest(database: Database, equipment: Equipment, claimed: Claimed) -> Reading:
    """Store the passages of the edition that was asked for last; settling shows them.

    Raises:
        Fenced: the document is gone, or the claim.
        PermanentFailure, TransientFailure, ServiceMissing: as `Memory.add`; and it could not
            be fetched.
    """
    wanted = await _look_up(database, claimed.document_id or "")

    def hold() -> Transaction[None]:
        held = yield from still_held([claimed.held])
        if claimed.held not in held:
            raise Fenced("the document is read by somebody else")

    source = wanted.source
    if wanted.url is not None:
        source = await _fetch(equipment, wanted.url, source)
        digest = sha256(source.content).hexdigest()
        unchanged = wanted.seen if digest == wanted.sha256 else None

        def keep() -> Transaction[None]:
            yield from hold()
            if unchanged is not None:
                yield from stay_at(source.id, unchanged)
            else:
                yield from keep_fetched(source.id, source.media_type, source.content, digest)

        await database.run(keep)
        if unchanged is not None:
            return unchanged
    staging = SqlStaging(database, wanted.edition, hold)
    embedding = equipment.memory.embedding
    passages = await equipment.memory.add(source, staging)
    return Reading(passages, wanted.edition.number, embedding)


async def _fetch(equipment: Equipment, url: str, source: SourceDocument) -> SourceDocument:
    """Fetch a document, past the wall that guards this network."""
    try:
        got = await equipment.fetcher.download(url, MOST_FETCHED)
        media_type, content = _recognised(got)
    except ToolRefused as refused:
        raise PermanentFailure(
            f"the document could not be fetched: {refused.message}",
            hint="check the address, or download it and add the file",
            code="document_unreachable",
        ) from refused
    except InvalidInput as wrong:
        raise PermanentFailure(
            wrong.message, hint=wrong.hint, code="document_unreadable"
        ) from wrong
    return replace(source, media_type=media_type, content=content)


def _recognised(got: Download) -> tuple[str, bytes]:
    """Name what was fetched, with what is kept of it: a page is one, whatever program made it."""
    said = got.media_type.partition(";")[0].strip().lower()
    name = urlsplit(got.url).path.rsplit("/", 1)[-1]
    name = "page" if said in PAGES or not name else name
    kind = recognise(name, got.media_type, got.body[:HEAD_BYTES])
    return kind, as_kept(name, kind, got.media_type, got.body)


async def _look_up(database: Database, document_id: str) -> Wanted:
    async with database.read() as session:
        rows = await session.execute(
            select(
                Document.workspace,
                Document.shelf,
                Document.title,
                Document.media_type,
                Document.wanted_url,
                Document.coming,
                Document.edition,
                Document.passages,
                Document.embedding,
                Document.sha256,
                DocumentContent.content,
            )
            .join(DocumentContent, DocumentContent.document_id == Document.id)
            .where(Document.id == document_id)
        )
        found = rows.one_or_none()
    if found is None:
        raise Fenced(f"the document {document_id} is gone")
    source = SourceDocument(
        document_id, found.title, found.media_type, found.content, found.workspace, found.shelf
    )
    edition = Edition(found.workspace, found.shelf, document_id, found.coming)
    seen = Reading(found.passages, found.edition, found.embedding) if found.edition else None
    return Wanted(source, edition, found.wanted_url, seen, found.sha256)
