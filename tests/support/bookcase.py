"""Memory over a real database and a real Chroma, without workers: documents go in by hand."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from nexus.catalogue.catalogue import SqlCatalogue
from nexus.catalogue.rows import Edition
from nexus.catalogue.staging import SqlStaging
from nexus.memory.embed import Embedder
from nexus.memory.passages import Passage, SourceDocument, Where
from nexus.memory.store import Memory
from nexus.models.database import Database, open_database
from nexus.models.writing import Query, Transaction
from nexus.orchestrator.documents import Reading, finish_document, remove_document
from nexus.settings import read_settings


@dataclass(frozen=True)
class Bookcase:
    """One installation's memory."""

    database: Database
    catalogue: SqlCatalogue
    memory: Memory

    async def stage(self, workspace: str, document: SourceDocument) -> Reading:
        """Store a coming edition that nobody sees yet."""
        digest = sha256(document.content).hexdigest()

        def begin() -> Transaction[int]:
            rows = yield Query(
                "INSERT INTO documents (id, workspace, shelf, title, source, media_type, bytes, "
                "sha256, status, passages, edition, coming, embedding, created_at) VALUES "
                "($1, $2, $3, $4, $5, $6, $7, $8, 'processing', 0, 0, 1, '', NOW_US()) "
                "ON CONFLICT (id) DO UPDATE SET coming = documents.coming + 1 RETURNING coming",
                (
                    *(document.id, workspace, document.shelf, _stored(document.title)),
                    _stored(document.title),
                    *(document.media_type, len(document.content), digest),
                ),
            )
            return int(rows[0][0])

        number = await self.database.run(begin)
        edition = Edition(workspace, document.shelf, document.id, number)
        staging = SqlStaging(self.database, edition, _held)
        source = replace(document, workspace=workspace)
        passages = await self.memory.add(source, staging)
        return Reading(passages, number, self.memory.embedding)

    async def add(self, workspace: str, document: SourceDocument) -> int:
        """Add a document, or its next edition; return the number of its passages."""
        reading = await self.stage(workspace, document)
        await self.finish(workspace, document.id, reading)
        await self.memory.tidy()
        return reading.passages

    async def finish(self, workspace: str, document_id: str, reading: Reading) -> None:
        """Show the edition that was staged."""
        await self.database.run(lambda: finish_document(workspace, document_id, reading))

    async def remove(self, workspace: str, document_id: str) -> None:
        """Remove a document and what was kept of it."""
        await self.database.run(lambda: remove_document(workspace, document_id))
        await self.memory.tidy()

    async def search(
        self, workspace: str, query: str, *, k: int = 8, document_ids: Sequence[str] | None = None
    ) -> list[Passage]:
        """Search the documents."""
        chosen = None if document_ids is None else tuple(document_ids)
        found = await self.memory.search(Where(workspace, document_ids=chosen), query, k=k)
        return [*found.passages]


@asynccontextmanager
async def open_bookcase(
    database_url: str,
    folder: Path,
    locate: Callable[[], str | None],
    *,
    installation: str = "",
    embedder: Embedder | None = None,
) -> AsyncIterator[Bookcase]:
    """Open one over a migrated database and whatever Chroma `locate` names."""
    database = await open_database(read_settings(database_url=database_url, data_dir=folder))
    catalogue = SqlCatalogue(database)
    memory = Memory(locate, catalogue, installation=installation, embedder=embedder)
    try:
        yield Bookcase(database, catalogue, memory)
    finally:
        await memory.close()
        await database.close()


def _held() -> Transaction[None]:
    yield Query("SELECT 1")


def _stored(title: str) -> str:
    return title.encode("utf-8", "ignore").decode()
