"""Memory: documents in, passages out. The catalogue keeps them, Chroma finds them by meaning.

`ingest` subtasks add, tools and the API search, workers keep Chroma in step. Everything may
be repeated: passages are named by what they are, and none is embedded twice.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from nexus.errors import PermanentFailure
from nexus.failpoints import failpoint
from nexus.memory.catalogue import Catalogue, NewEntry, Prepared, Staging
from nexus.memory.chunk import cut
from nexus.memory.embed import (
    EMBEDDING_MODEL,
    Embedder,
    LocalEmbedder,
    compare,
    pack,
    unpack,
)
from nexus.memory.extract import clean, extract
from nexus.memory.link import Link
from nexus.memory.passages import (
    Cut,
    Excerpt,
    Findings,
    Recalled,
    SourceDocument,
    Space,
    Wanted,
    Where,
)
from nexus.memory.reranking import Reranker
from nexus.memory.searching import Finder
from nexus.memory.upkeep import Upkeep
from nexus.memory.vectors import Vectors
from nexus.memory.wordpiece import count_tokens

MAX_RESULTS: Final = 50
# At 40 passages a second: some four minutes of one processor.
MAX_PASSAGES: Final = 10_000
BATCH: Final = 64
HEADING_CHARACTERS: Final = 100
EMBEDDED_AT_ONCE: Final = 16


class Memory:
    """The passages of every workspace; a workspace never sees another's."""

    def __init__(
        self,
        locate: Callable[[], str | None],
        catalogue: Catalogue,
        *,
        installation: str = "",
        embedder: Embedder | None = None,
        reranker: Reranker | None = None,
    ) -> None:
        """Remember how to find Chroma; nothing is opened or loaded yet.

        Args:
            locate: says the server's URL right now, None when there is none; asked again
                whenever the connection has to be made.
            installation: tells installations that share one Chroma server apart.
            embedder: makes the vectors; the model that comes with Nexus without one.
            reranker: has the last word on the order of what is found.
        """
        self._link = Link(locate)
        self._catalogue = catalogue
        self._vectors = Vectors(self._link, installation)
        self._embedder = embedder or LocalEmbedder()
        # After another model was chosen, the one that comes with Nexus may have made vectors yet.
        former = None if self._embedder.name == EMBEDDING_MODEL else LocalEmbedder()
        self._finder = Finder(catalogue, self._vectors, self._embedder, reranker, former)
        self._upkeep = Upkeep(catalogue, self._vectors)
        # Two ingestions may use the processor at once; searches need not queue behind them.
        self._reading = asyncio.Semaphore(2)
        self._embedding = asyncio.Semaphore(2)

    @property
    def embedding(self) -> str:
        """The name of the model that makes vectors now."""
        return self._embedder.name

    async def ready(self) -> bool:
        """Say within a second whether Chroma answers; kept for some seconds."""
        return await self._link.is_up()

    async def add(self, document: SourceDocument, staging: Staging) -> int:
        """Read a document and store its passages as a coming edition.

        Returns:
            The number of its passages. Those known already are not embedded again.

        Raises:
            PermanentFailure: the document cannot be read; the message says why.
            ServiceMissing: Chroma, the database or the embedding model is out of reach.
            TransientFailure: Chroma failed.
            Fenced: the document is somebody else's by now.
        """
        await self._link.check()
        async with self._reading:
            excerpts = await asyncio.to_thread(cut, await extract(document), MAX_PASSAGES + 1)
        if len(excerpts) > MAX_PASSAGES:
            raise PermanentFailure(
                f"the document {document.title!r} makes more than the {MAX_PASSAGES:,} passages"
                " a document may have",
                hint="split it",
                code="document_unreadable",
            )
        names = [
            _name(document.id, staging.edition, place, excerpt)
            for place, excerpt in enumerate(excerpts)
        ]
        known = await staging.begin(self.embedding, names)
        space = Space(document.workspace, document.shelf, self.embedding)
        for start in range(0, len(excerpts), BATCH):
            batch = excerpts[start : start + BATCH]
            cuts = await self._cut(batch, names[start : start + BATCH], start, known)
            await staging.add(self.embedding, cuts)
            failpoint("stage.done")
            await self._put(space, document.id, cuts)
            failpoint("put.done")
        return len(excerpts)

    async def keep(self, entry: NewEntry) -> None:
        """Keep something short, to be found at once; the same id is kept once.

        Raises:
            PermanentFailure: there is no text in it.
            ServiceMissing: Chroma or the database is out of reach.
            TransientFailure: Chroma failed.
        """
        made = await self.prepare(entry)
        await self._catalogue.keep(made)
        await self.publish(made)

    async def prepare(self, entry: NewEntry, edition: int = 1) -> Prepared:
        """Cut and embed something short, for a transaction that stores it.

        Raises:
            PermanentFailure: there is no text in it.
            ServiceMissing: the embedding model is out of reach.
        """
        source = SourceDocument(
            entry.id, entry.title, entry.media_type, entry.content, entry.workspace, entry.shelf
        )
        excerpts = cut(await extract(source))
        names = [_name(entry.id, edition, place, one) for place, one in enumerate(excerpts)]
        return Prepared(entry, edition, self.embedding, await self._cut(excerpts, names, 0, {}))

    async def publish(self, made: Prepared) -> None:
        """Give Chroma what was stored; raises as `keep` does. What it misses an audit puts there."""
        await self._put(made.space, made.entry.id, made.cuts)

    async def check(self) -> None:
        """Raise ServiceMissing when Chroma is out of reach."""
        await self._link.check()

    async def search(
        self,
        where: Where,
        query: str,
        *,
        k: int = 8,
        max_tokens: int | None = None,
        even_if_far: bool = False,
    ) -> Findings:
        """Find the passages that answer a question best; none when nothing resembles it.

        Args:
            k: how many at most, 1..50.
            max_tokens: how many tokens they may have together.
            even_if_far: return the nearest even where little resembles the question.

        While Chroma is away, what words find must do.

        Raises:
            ServiceMissing: the database is out of reach.
        """
        question = clean(query).strip()
        if not question or k < 1:
            return Findings()
        wanted = Wanted(question, min(k, MAX_RESULTS), max_tokens, even_if_far)
        return await self._finder.find(where, wanted)

    async def recall(self, where: Where, query: str, *, k: int = 8) -> tuple[Recalled, ...]:
        """Search the shelf of memories; raises as `search` does."""
        found = (await self.search(where, query, k=k)).passages
        if not found:
            return ()
        ids = sorted({one.document_id for one in found})
        origins = await self._catalogue.origins(where.workspace, ids)
        return tuple(
            Recalled(one, origins[one.document_id].kind, origins[one.document_id].trust)
            for one in found
            if one.document_id in origins
        )

    async def likeness(self, made: Prepared, entry_id: str) -> float:
        """Compare what was prepared with an entry that is kept: the cosine of their mean vectors."""
        where = Where(made.entry.workspace, made.entry.shelf, document_ids=(entry_id,))
        rows = await self._catalogue.vectors(where, await self._catalogue.extent(where))
        theirs = [vector for _, embedding, vector in rows if embedding == made.embedding]
        if not theirs:
            return 0.0
        return compare(theirs, [one.vector for one in made.cuts])

    async def text_of(self, workspace: str, entry_id: str) -> str:
        """Return the whole text of an entry, "" if there is none."""
        return await self._catalogue.text_of(workspace, entry_id)

    async def tidy(self) -> None:
        """Remove for good what nobody can see any more.

        Raises:
            ServiceMissing: Chroma or the database is out of reach.
            TransientFailure: Chroma failed.
        """
        await self._upkeep.tidy()

    async def audit(self) -> int:
        """Mend what differs between the catalogue and Chroma; raises as `tidy` does."""
        return await self._upkeep.audit()

    async def close(self) -> None:
        """Close the connections to Chroma and to the embedding model."""
        await self._link.close()
        await self._embedder.close()

    async def _cut(
        self,
        excerpts: Sequence[Excerpt],
        names: Sequence[str],
        first: int,
        known: Mapping[str, bytes],
    ) -> list[Cut]:
        digests = [_digest(excerpt) for excerpt in excerpts]
        vectors = {digest: known[digest] for digest in digests if digest in known}
        fresh = {
            digest: _embedded(excerpt)
            for digest, excerpt in zip(digests, excerpts, strict=True)
            if digest not in vectors
        }
        todo = list(fresh)
        for start in range(0, len(todo), EMBEDDED_AT_ONCE):
            part = todo[start : start + EMBEDDED_AT_ONCE]
            async with self._embedding:
                made = await self._embedder.embed([fresh[digest] for digest in part])
            vectors |= dict(zip(part, pack(made), strict=True))
        tokens = await asyncio.to_thread(count_tokens, [one.text for one in excerpts])
        return [
            Cut(
                name,
                first + place,
                excerpt.locator,
                excerpt.heading,
                excerpt.text,
                tokens[place],
                digests[place],
                vectors[digests[place]],
            )
            for place, (name, excerpt) in enumerate(zip(names, excerpts, strict=True))
        ]

    async def _put(self, space: Space, document_id: str, cuts: Sequence[Cut]) -> None:
        vectors = unpack([one.vector for one in cuts])
        await self._vectors.put(space, document_id, [one.id for one in cuts], vectors)


def _embedded(excerpt: Excerpt) -> str:
    """What is read of a passage: its headings too, as far as the model has room for them."""
    heading = excerpt.heading[-HEADING_CHARACTERS:]
    return f"{heading}\n{excerpt.text}" if heading else excerpt.text


def _digest(excerpt: Excerpt) -> str:
    return hashlib.sha256(_embedded(excerpt).encode()).hexdigest()


def _name(document_id: str, edition: int, place: int, excerpt: Excerpt) -> str:
    told = "\0".join((document_id, str(edition), str(place), excerpt.locator, excerpt.text))
    return f"psg_{hashlib.sha256(told.encode('utf-8', 'replace')).hexdigest()[:32]}"
