"""Memory: documents in, passages out, kept in Chroma, one collection a workspace and model.

`ingest` subtasks add, tools and the API search. Vectors are made here; Chroma only keeps and
compares them. Everything may be repeated: passages are named by their content.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal

from nexus.errors import PermanentFailure
from nexus.memory.chunk import cut
from nexus.memory.embed import EMBEDDING_MODEL, Embedder
from nexus.memory.extract import clean, extract
from nexus.memory.link import Link
from nexus.memory.passages import Excerpt, Passage, SourceDocument

if TYPE_CHECKING:
    from chromadb.api import AsyncClientAPI
    from chromadb.api.models.AsyncCollection import AsyncCollection
    from chromadb.api.types import Metadata, Where

MAX_RESULTS: Final = 50
# At 40 passages a second: some four minutes of one processor.
MAX_PASSAGES: Final = 10_000
# Measured on a dozen questions: answers score 0.4 to 0.7, and nine in ten other texts less
# than this. It is low because broad instructions resemble everything a little.
LEAST_SCORE: Final = 0.15
EMBED_BATCH: Final = 16
DELETE_BATCH: Final = 500
IDS_PAGE: Final = 1_000


class Memory:
    """The documents of every workspace; a workspace never sees another's."""

    def __init__(self, locate: Callable[[], str | None], *, installation: str = "") -> None:
        """Remember how to find Chroma; nothing is opened or loaded yet.

        Args:
            locate: says the server's URL right now, None when there is none; asked again
                whenever the connection has to be made.
            installation: tells installations that share one Chroma server apart.
        """
        self._link = Link(locate)
        self._installation = installation
        self._embedder = Embedder()
        # Two ingestions may use the processor at once; searches need not queue behind them.
        self._reading = asyncio.Semaphore(2)
        self._embedding = asyncio.Semaphore(2)

    async def ready(self) -> bool:
        """Say within a second whether Chroma answers; kept for some seconds."""
        return await self._link.is_up()

    async def add(self, workspace: str, document: SourceDocument) -> int:
        """Read a document and keep its passages; an earlier version of it is replaced.

        Returns:
            The number of its passages. Those kept already are not embedded again.

        Raises:
            PermanentFailure: the document cannot be read; the message says why.
            ServiceMissing: Chroma is out of reach.
            TransientFailure: Chroma failed.
        """
        kept = await self._kept_ids(workspace, document.id)
        async with self._reading:
            excerpts = await asyncio.to_thread(cut, await extract(document))
        if len(excerpts) > MAX_PASSAGES:
            raise PermanentFailure(
                f"the document {document.title!r} makes {len(excerpts):,} passages, more than the"
                f" {MAX_PASSAGES:,} a document may have",
                hint="split it",
                code="document_unreadable",
            )
        wanted = {_passage_id(document, excerpt): excerpt for excerpt in excerpts}
        missing = [(name, wanted[name]) for name in wanted if name not in kept]
        for start in range(0, len(missing), EMBED_BATCH):
            await self._keep(workspace, document, missing[start : start + EMBED_BATCH])
        await self._forget(workspace, sorted(kept - wanted.keys()))
        return len(wanted)

    async def remove(self, workspace: str, document_id: str) -> None:
        """Forget a document; one that was never there is fine."""
        await self._forget(workspace, sorted(await self._kept_ids(workspace, document_id)))

    async def drop(self, workspace: str) -> None:
        """Forget everything of a workspace; one that has nothing is fine."""
        from chromadb.errors import NotFoundError

        async def ask(client: "AsyncClientAPI") -> None:
            with suppress(NotFoundError):
                await client.delete_collection(self._collection_name(workspace))

        await self._link.run(ask)

    async def search(
        self,
        workspace: str,
        query: str,
        *,
        k: int = 8,
        document_ids: Sequence[str] | None = None,
    ) -> list[Passage]:
        """Find the passages closest to a question, best first; hopeless ones are left out.

        Args:
            k: how many at most, 1..50.
            document_ids: look only in these documents; None is all of the workspace's.

        Raises:
            ServiceMissing: Chroma is out of reach.
            TransientFailure: Chroma failed.
        """
        question = clean(query).strip()
        if not question or k < 1 or (document_ids is not None and not document_ids):
            return []
        where: Where | None = None
        if document_ids is not None:
            among: dict[Literal["$in", "$nin"], list[str | int | float | bool]]
            among = {"$in": [*document_ids]}
            where = {"document_id": among}
        await self._link.check()
        vector = (await self._embedder.embed([question]))[0]

        async def ask(client: "AsyncClientAPI") -> list[Passage]:
            collection = await _existing(client, self._collection_name(workspace))
            if collection is None:
                return []
            found = await collection.query(
                query_embeddings=[vector],
                n_results=min(k, MAX_RESULTS),
                where=where,
                include=["documents", "metadatas", "distances"],
            )
            texts, metadatas = found["documents"] or [[]], found["metadatas"] or [[]]
            distances = found["distances"] or [[]]
            return list(_passages(texts[0], metadatas[0], distances[0]))

        return await self._link.run(ask)

    async def close(self) -> None:
        """Close the connections to Chroma."""
        await self._link.close()

    def _collection_name(self, workspace: str) -> str:
        owner = f"{self._installation}\0{workspace}"
        digest = hashlib.sha256(owner.encode("utf-8", "surrogatepass")).hexdigest()
        return f"nexus-{digest[:40]}-{EMBEDDING_MODEL}"

    async def _kept_ids(self, workspace: str, document_id: str) -> set[str]:
        async def ask(client: "AsyncClientAPI") -> set[str]:
            collection = await _existing(client, self._collection_name(workspace))
            kept: set[str] = set()
            while collection is not None:
                page = await collection.get(
                    where={"document_id": document_id},
                    include=[],
                    limit=IDS_PAGE,
                    offset=len(kept),
                )
                kept.update(page["ids"])
                if len(page["ids"]) < IDS_PAGE:
                    break
            return kept

        return await self._link.run(ask)

    async def _keep(
        self, workspace: str, document: SourceDocument, named: list[tuple[str, Excerpt]]
    ) -> None:
        async with self._embedding:
            vectors = await self._embedder.embed([excerpt.text for _, excerpt in named])

        embeddings: list[Sequence[float]] = [*vectors.tolist()]

        async def put(client: "AsyncClientAPI") -> None:
            collection = await client.get_or_create_collection(
                self._collection_name(workspace),
                configuration={"hnsw": {"space": "cosine"}},
                metadata={"embedding_model": EMBEDDING_MODEL},
                embedding_function=None,
            )
            await collection.upsert(
                ids=[name for name, _ in named],
                embeddings=embeddings,
                documents=[excerpt.text for _, excerpt in named],
                metadatas=[
                    {
                        "document_id": document.id,
                        "title": clean(document.title),
                        "locator": excerpt.locator,
                    }
                    for _, excerpt in named
                ],
            )

        await self._link.run(put)

    async def _forget(self, workspace: str, names: list[str]) -> None:
        for start in range(0, len(names), DELETE_BATCH):
            batch = names[start : start + DELETE_BATCH]

            async def drop(client: "AsyncClientAPI", batch: list[str] = batch) -> None:
                collection = await _existing(client, self._collection_name(workspace))
                if collection is not None:
                    await collection.delete(ids=batch)

            await self._link.run(drop)


async def _existing(client: "AsyncClientAPI", name: str) -> "AsyncCollection | None":
    """Find a workspace's collection anew: a handle would outlive a server whose data is gone."""
    from chromadb.errors import NotFoundError

    try:
        return await client.get_collection(name, embedding_function=None)
    except NotFoundError:
        return None


def _passage_id(document: SourceDocument, excerpt: Excerpt) -> str:
    content = "\0".join((document.id, clean(document.title), excerpt.locator, excerpt.text))
    return hashlib.sha256(content.encode()).hexdigest()[:40]


def _passages(
    texts: Sequence[str], metadatas: "Sequence[Metadata]", distances: Sequence[float]
) -> Iterator[Passage]:
    for text, metadata, distance in zip(texts, metadatas, distances, strict=True):
        score = round(min(max(1.0 - distance, 0.0), 1.0), 4)
        if score >= LEAST_SCORE:
            yield Passage(
                text=text,
                score=score,
                document_id=str(metadata["document_id"]),
                title=str(metadata["title"]),
                locator=str(metadata["locator"]),
            )
