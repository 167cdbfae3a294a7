"""Vectors in Chroma: one collection for each space, nothing in it but ids, vectors and owners.

What it holds can be made anew from the catalogue at any time; only `Memory` uses it.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from nexus.memory.link import Link
from nexus.memory.passages import DOCUMENTS, SHELVES, Space

if TYPE_CHECKING:
    from chromadb.api import AsyncClientAPI
    from chromadb.api.models.AsyncCollection import AsyncCollection
    from chromadb.api.types import Where as ChromaWhere

    from nexus.memory.embed import Vectors as Matrix

DELETE_BATCH: Final = 500
IDS_PAGE: Final = 5_000
COLLECTIONS_PAGE: Final = 500
MOST_KNOWN: Final = 1_000
"""Collections whose handles are kept: asking for one costs as much as a search."""

T = TypeVar("T")


class Vectors:
    """The collections of one installation."""

    def __init__(self, link: Link, installation: str) -> None:
        self._link = link
        self._installation = installation
        self._known: dict[Space, tuple[AsyncClientAPI, AsyncCollection]] = {}

    async def put(
        self, space: Space, document_id: str, ids: Sequence[str], vectors: "Matrix"
    ) -> None:
        """Keep vectors of a document's passages; the same ids are replaced.

        Raises:
            ServiceMissing: Chroma is out of reach.
            TransientFailure: Chroma failed.
        """
        if not ids:
            return
        rows: list[Sequence[float]] = [*vectors.tolist()]

        async def act(collection: "AsyncCollection | None") -> None:
            if collection is None:
                return
            await collection.upsert(
                ids=[*ids],
                embeddings=rows,
                metadatas=[{"document_id": document_id} for _ in ids],
            )

        await self._link.run(lambda client: self._use(client, space, act, makes=True))

    async def near(
        self,
        space: Space,
        vector: "Matrix",
        most: int,
        document_ids: Sequence[str] | None = None,
    ) -> dict[str, float]:
        """Find the passages closest to a vector of shape (1, dimensions); raises as `put` does.

        Returns:
            their cosines by id, the nearest first.
        """
        where: ChromaWhere | None = None
        if document_ids is not None:
            among: dict[Literal["$in", "$nin"], list[str | int | float | bool]]
            among = {"$in": [*document_ids]}
            where = {"document_id": among}

        async def act(collection: "AsyncCollection | None") -> dict[str, float]:
            if collection is None:
                return {}
            found = await collection.query(
                query_embeddings=[vector[0]], n_results=most, where=where, include=["distances"]
            )
            distances = (found["distances"] or [[]])[0]
            return {one: 1 - far for one, far in zip(found["ids"][0], distances, strict=True)}

        return await self._link.run(lambda client: self._use(client, space, act))

    async def drop(self, space: Space, ids: Sequence[str]) -> None:
        """Remove passages; those that are not there are fine. Raises as `put` does."""
        for start in range(0, len(ids), DELETE_BATCH):
            batch = [*ids[start : start + DELETE_BATCH]]

            async def act(client: "AsyncClientAPI", batch: list[str] = batch) -> None:
                collection = await self._existing(client, space)
                if collection is not None:
                    await collection.delete(ids=batch)

            await self._link.run(act)

    async def count(self, space: Space) -> int:
        """Count a space's passages; raises as `put` does."""

        async def act(client: "AsyncClientAPI") -> int:
            collection = await self._existing(client, space)
            return 0 if collection is None else await collection.count()

        return await self._link.run(act)

    async def spaces(self, workspaces: Sequence[str]) -> list[Space]:
        """Name the spaces of these workspaces that have a collection; raises as `put` does."""

        async def act(client: "AsyncClientAPI") -> dict[str, str]:
            there: dict[str, str] = {}
            page = [*await client.list_collections(limit=COLLECTIONS_PAGE, offset=0)]
            while page:
                for one in page:
                    there[one.name] = str((one.metadata or {}).get("embedding_model", ""))
                offset = len(there)
                page = [*await client.list_collections(limit=COLLECTIONS_PAGE, offset=offset)]
            return there

        there = await self._link.run(act)
        embeddings = sorted({one for one in there.values() if one})
        return [
            space
            for workspace in workspaces
            for shelf in SHELVES
            for space in (Space(workspace, shelf, embedding) for embedding in embeddings)
            if self._name(space) in there
        ]

    async def page(self, space: Space, offset: int) -> list[str]:
        """Name a page of a space's passages, IDS_PAGE of them; raises as `put` does."""

        async def act(client: "AsyncClientAPI") -> list[str]:
            collection = await self._existing(client, space)
            if collection is None:
                return []
            page = await collection.get(include=[], limit=IDS_PAGE, offset=offset)
            return list(page["ids"])

        return await self._link.run(act)

    async def _use(
        self,
        client: "AsyncClientAPI",
        space: Space,
        act: "Callable[[AsyncCollection | None], Awaitable[T]]",
        *,
        makes: bool = False,
    ) -> T:
        """Do something with a collection known from before; one whose data is gone is found anew."""
        from chromadb.errors import NotFoundError

        known = self._known.get(space)
        if known is not None and known[0] is client:
            try:
                return await act(known[1])
            except NotFoundError:
                self._known.pop(space, None)
        find = self._made if makes else self._existing
        collection = await find(client, space)
        if collection is not None:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[space] = (client, collection)
        return await act(collection)

    async def _made(self, client: "AsyncClientAPI", space: Space) -> "AsyncCollection":
        return await client.get_or_create_collection(
            self._name(space),
            configuration={"hnsw": {"space": "cosine"}},
            metadata={"embedding_model": space.embedding},
            embedding_function=None,
        )

    async def _existing(self, client: "AsyncClientAPI", space: Space) -> "AsyncCollection | None":
        """Find a collection; it may have gone with its server's data since it was last seen."""
        from chromadb.errors import NotFoundError

        try:
            return await client.get_collection(self._name(space), embedding_function=None)
        except NotFoundError:
            return None

    def _name(self, space: Space) -> str:
        owner = f"{self._installation}\0{space.workspace}"
        if space.shelf != DOCUMENTS:
            owner = f"{owner}\0{space.shelf}"
        digest = hashlib.sha256(owner.encode("utf-8", "surrogatepass")).hexdigest()
        return f"nexus-{digest[:40]}-{_slug(space.embedding)}"


def _slug(embedding: str) -> str:
    """Write a model's name with the letters a collection's may have."""
    slug = re.sub(r"[^A-Za-z0-9.-]+", "-", embedding).strip("-.")
    if slug == embedding:
        return slug
    return f"{slug[:60]}-{hashlib.sha256(embedding.encode()).hexdigest()[:8]}"
