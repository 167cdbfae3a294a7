"""How long searches and additions take, beside Chroma alone with the same vectors."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchmarks.memory.growth import PASSAGES, Made
from benchmarks.memory.place import Place
from benchmarks.records import percentile
from nexus.memory.chunk import cut
from nexus.memory.extract import extract
from nexus.memory.passages import SourceDocument, Where

if TYPE_CHECKING:
    from chromadb.api.models.AsyncCollection import AsyncCollection

SHELF: Final = "shelf"
MOST: Final = 8
BATCH: Final = 64
WARM: Final = 20


@dataclass(frozen=True, slots=True)
class Pace:
    """One size: how long searches took on both sides, in ms, and passages added a second."""

    database: str
    passages: int
    ours: tuple[float, float]
    raw: tuple[float, float]
    ours_added: float
    raw_added: float


async def measure(
    place: Place, made: Made, database: str, sizes: Sequence[int], questions: Sequence[str]
) -> list[Pace]:
    """Grow a shelf from size to size, and search it and Chroma alone in turns at each."""
    raw = await _open(place)
    paces: list[Pace] = []
    documents = 0
    for size in sizes:
        more = size // PASSAGES - documents
        seconds = await _grow(place, made, raw, documents, more)
        documents += more
        ours, theirs = await _search(place, made, raw, questions)
        added = [more * PASSAGES / one for one in seconds]
        paces.append(Pace(database, size, ours, theirs, added[0], added[1]))
    return paces


async def _open(place: Place) -> "AsyncCollection":
    import chromadb
    from chromadb.config import Settings

    host, _, port = place.chroma_url.removeprefix("http://").partition(":")
    client = await chromadb.AsyncHttpClient(
        host=host, port=int(port), settings=Settings(anonymized_telemetry=False)
    )
    return await client.create_collection(
        f"raw-{time.time_ns()}",
        configuration={"hnsw": {"space": "cosine"}},
        embedding_function=None,
    )


async def _grow(
    place: Place, made: Made, raw: "AsyncCollection", first: int, count: int
) -> tuple[float, float]:
    """Add documents on both sides in turns; return the seconds each took."""
    ours = theirs = 0.0
    for text in made.documents(first, count):
        source = SourceDocument(text.name, text.title, text.media_type, text.content.encode())
        pieces = [one.text for one in cut(await extract(source))]
        vectors = await made.embed(pieces)
        began = time.perf_counter()
        for start in range(0, len(pieces), BATCH):
            ids = [f"{text.name}-{at}" for at in range(start, min(start + BATCH, len(pieces)))]
            await raw.add(
                ids=ids,
                embeddings=vectors[start : start + BATCH].tolist(),
                documents=pieces[start : start + BATCH],
                metadatas=[{"document_id": text.name} for _ in ids],
            )
        then = time.perf_counter()
        await place.add(SHELF, text, text.name)
        theirs += then - began
        ours += time.perf_counter() - then
    return ours, theirs


async def _search(
    place: Place, made: Made, raw: "AsyncCollection", questions: Sequence[str]
) -> tuple[tuple[float, float], tuple[float, float]]:
    ours: list[float] = []
    theirs: list[float] = []
    where = Where(SHELF)
    memory = place.bookcase.memory

    async def ask_ours(question: str) -> None:
        await memory.search(where, question, k=MOST)

    async def ask_raw(question: str) -> None:
        vector = await made.embed([question])
        await raw.query(
            query_embeddings=[vector[0]],
            n_results=MOST,
            include=["documents", "metadatas", "distances"],
        )

    sides = [(ask_ours, ours), (ask_raw, theirs)]
    for number, question in enumerate(questions):
        for act, times in sides if number % 2 else reversed(sides):
            began = time.perf_counter()
            await act(question)
            if number >= WARM:
                times.append((time.perf_counter() - began) * 1_000)
    return _two(ours), _two(theirs)


def _two(times: Sequence[float]) -> tuple[float, float]:
    return percentile(times, 0.5), percentile(times, 0.99)
