"""Read a claimed document into memory: what an `ingest` subtask does."""

from sqlalchemy import select

from nexus.catalogue.rows import Edition
from nexus.catalogue.staging import SqlStaging
from nexus.errors import Fenced
from nexus.memory.passages import SourceDocument
from nexus.memory.store import Memory
from nexus.models.database import Database
from nexus.models.passages import Document, DocumentContent
from nexus.models.writing import Transaction
from nexus.orchestrator.claiming import Claimed
from nexus.orchestrator.documents import Reading
from nexus.orchestrator.transitions.calls import still_held


async def ingest(database: Database, memory: Memory, claimed: Claimed) -> Reading:
    """Store the passages of the edition that was asked for last; settling shows them.

    Raises:
        Fenced: the document is gone, or the claim.
        PermanentFailure, TransientFailure, ServiceMissing: as `Memory.add`.
    """
    source, edition = await _read_document(database, claimed.document_id or "")

    def hold() -> Transaction[None]:
        held = yield from still_held([claimed.held])
        if claimed.held not in held:
            raise Fenced("the document is read by somebody else")

    staging = SqlStaging(database, edition, hold)
    embedding = memory.embedding
    passages = await memory.add(source, staging)
    return Reading(passages, edition.number, embedding)


async def _read_document(database: Database, document_id: str) -> tuple[SourceDocument, Edition]:
    async with database.read() as session:
        rows = await session.execute(
            select(
                Document.workspace,
                Document.shelf,
                Document.title,
                Document.media_type,
                Document.coming,
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
    return source, Edition(found.workspace, found.shelf, document_id, found.coming)
