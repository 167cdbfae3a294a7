"""Where memory is measured: a real database, a real Chroma server, and the model that comes along."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.memory.corpora import Text
from nexus.memory.embed import MAX_TOKENS, Embedder, LocalEmbedder
from nexus.memory.link import Link
from nexus.memory.passages import SourceDocument
from nexus.memory.searching import Finder
from nexus.memory.vectors import Vectors
from tests.support.bookcase import Bookcase, open_bookcase
from tests.support.chroma import ChromaServer

if TYPE_CHECKING:
    from nexus.memory.embed import Vectors as Matrix


@dataclass(slots=True)
class Remembering:
    """The model that comes with Nexus, asked once for each text of a run."""

    model: LocalEmbedder = field(default_factory=LocalEmbedder)
    known: "dict[str, Matrix]" = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.model.name

    async def embed(self, texts: Sequence[str]) -> "Matrix":
        import numpy as np

        fresh = [text for text in dict.fromkeys(texts) if text not in self.known]
        if fresh:
            made = await self.model.embed(fresh)
            self.known |= {text: made[at : at + 1] for at, text in enumerate(fresh)}
        return np.concatenate([self.known[text] for text in texts])

    async def close(self) -> None:
        """Keep what is known: the next place asks for the same texts."""


class RememberingTokens(LocalEmbedder):
    """The model token by token, asked once for each text of a run: some 500 MB of them."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[str, Matrix] = {}

    def tokens(self, text: str, most: int = MAX_TOKENS) -> "Matrix":
        import numpy as np

        if text not in self._known:
            self._known[text] = super().tokens(text, most).astype(np.float16)
        return self._known[text].astype(np.float32)


@dataclass(frozen=True, slots=True)
class Place:
    """One installation's memory, and the parts of a search to be asked apart."""

    bookcase: Bookcase
    finder: Finder
    chroma_url: str
    tokens: LocalEmbedder

    async def add(self, workspace: str, text: Text, name: str) -> int:
        """Add a document as an ingestion does; return the number of its passages."""
        document = SourceDocument(name, text.title, text.media_type, text.content.encode())
        reading = await self.bookcase.stage(workspace, document)
        await self.bookcase.finish(workspace, name, reading)
        return reading.passages


TOKENS: Final = RememberingTokens()


@asynccontextmanager
async def open_place(
    url: str, folder: Path, chroma: ChromaServer, embedder: Embedder
) -> AsyncIterator[Place]:
    """Open a migrated database, and its own part of a Chroma server."""
    assert chroma.url is not None
    async with open_bookcase(
        url, folder, lambda: chroma.url, installation=url, embedder=embedder
    ) as bookcase:
        link = Link(lambda: chroma.url)
        finder = Finder(bookcase.catalogue, Vectors(link, url), embedder)
        try:
            yield Place(bookcase, finder, chroma.url, TOKENS)
        finally:
            await link.close()
