"""What memory needs of the database: the truth of passages, of which Chroma keeps copies.

`nexus.catalogue` keeps these promises; memory itself never sees a database.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from nexus.memory.passages import Cut, Kept, Space, Where


@dataclass(frozen=True, slots=True)
class Extent:
    """What a search may look at: documents, and how many passages they have in all."""

    document_ids: tuple[str, ...]
    passages: int


@dataclass(frozen=True, slots=True)
class Matches:
    """Passages that words fit, best first, and how common each of the words is.

    Attributes:
        fits: BM25 by passage, or what comes close to it; comparable within one search alone.
        kept: those passages.
        frequencies: how many passages have each word, counted up to some thousands.
        passages: how many passages the shelf has, about.
    """

    fits: Mapping[str, float]
    kept: Mapping[str, Kept]
    frequencies: Mapping[str, int]
    passages: int


@dataclass(frozen=True, slots=True)
class Census:
    """How many passages a space should have in Chroma: those seen, and those that may be."""

    space: Space
    seen: int
    most: int


@dataclass(frozen=True, slots=True)
class NewEntry:
    """Something short that is kept whole in one go, such as a note."""

    id: str
    workspace: str
    shelf: str
    project_id: str | None
    title: str
    media_type: str
    content: bytes
    sha256: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """An entry ready to be stored: its passages of one edition, with their vectors."""

    entry: NewEntry
    edition: int
    embedding: str
    cuts: Sequence[Cut]

    @property
    def space(self) -> Space:
        """Where its vectors belong."""
        return Space(self.entry.workspace, self.entry.shelf, self.embedding)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a memory comes from: its kind, and the least trusted of what it was made of."""

    kind: str
    trust: str


class Staging(Protocol):
    """A coming edition of one document, written under a claim and seen only when it is whole."""

    async def begin(self, embedding: str, passage_ids: Sequence[str]) -> Mapping[str, bytes]:
        """Remove what the edition holds besides these passages; return known vectors by digest.

        Raises:
            Fenced: the claim is not held any more.
            ServiceMissing: the database is out of reach.
        """
        ...

    @property
    def edition(self) -> int:
        """The number of the edition."""
        ...

    async def add(self, embedding: str, cuts: Sequence[Cut]) -> None:
        """Store passages; those that are there stay. Raises as `begin` does."""
        ...


class Catalogue(Protocol):
    """Passages in the database. Every method raises ServiceMissing when it is out of reach."""

    async def extent(self, where: Where) -> Extent:
        """Tell which documents a search that is not of a whole shelf looks at."""
        ...

    async def find_words(
        self, where: Where, terms: Sequence[str], extent: Extent | None, most: int
    ) -> Matches:
        """Find the passages that fit words best, by BM25 or what comes close to it."""
        ...

    async def vectors(self, where: Where, extent: Extent) -> list[tuple[str, str, bytes]]:
        """Return (id, embedding, vector) of every passage within an extent."""
        ...

    async def read(self, workspace: str, passage_ids: Sequence[str]) -> dict[str, Kept]:
        """Return those passages that can be seen, by id."""
        ...

    async def embeddings(self, workspace: str, shelf: str) -> list[str]:
        """Name the models that made the vectors of what can be seen on a shelf."""
        ...

    async def origins(self, workspace: str, memory_ids: Sequence[str]) -> dict[str, Origin]:
        """Tell where memories come from, by their id."""
        ...

    async def text_of(self, workspace: str, entry_id: str) -> str:
        """Return the text of an entry that was kept whole, "" if there is none."""
        ...

    async def keep(self, made: Prepared) -> None:
        """Store something whole, to be seen at once; what is there already stays as it is."""
        ...

    async def discard(self, document_ids: Sequence[str]) -> None:
        """Remove passages nobody can see, a bounded number; documents without more are tidy."""
        ...

    async def untidy(self, most: int) -> list[str]:
        """Name documents that may have passages nobody can see."""
        ...

    async def forgotten(self, most: int) -> dict[Space, list[str]]:
        """Return passages that are to be removed from Chroma."""
        ...

    async def forget(self, passage_ids: Sequence[str]) -> None:
        """Note that passages have been removed from Chroma."""
        ...

    async def census(self) -> list[Census]:
        """Count the passages of every space that documents or passages name."""
        ...

    async def workspaces(self) -> list[str]:
        """Name the workspaces, also those without passages."""
        ...

    async def seen(self, space: Space, after: str, most: int) -> list[str]:
        """Name the passages of a space that can be seen, in order, those after an id."""
        ...

    async def known(self, passage_ids: Sequence[str]) -> set[str]:
        """Tell which passages there are, seen or not."""
        ...
