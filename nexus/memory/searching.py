"""One search: by meaning and by words at once, the two orders fused, near copies passed over.

Meaning is asked of Chroma; where few passages come into question their vectors are compared
here, exactly, which is quicker than Chroma's filter.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from nexus.errors import PermanentFailure, ServiceMissing, TransientFailure
from nexus.memory.catalogue import Catalogue, Extent
from nexus.memory.embed import Embedder, unpack
from nexus.memory.fusing import choose, fuse
from nexus.memory.passages import Findings, Kept, Passage, Space, Where
from nexus.memory.terms import terms_of
from nexus.memory.vectors import Vectors

if TYPE_CHECKING:
    from nexus.memory.embed import Vectors as Matrix

log = structlog.get_logger()

EXACT_MOST: Final = 4_000
CANDIDATES: Final = 40
# Measured on a dozen questions: answers score 0.4 to 0.7, and nine in ten other texts less
# than this. It is low because broad instructions resemble everything a little.
LEAST_SIMILARITY: Final = 0.15


@dataclass(frozen=True, slots=True)
class Finder:
    """What a search needs."""

    catalogue: Catalogue
    vectors: Vectors
    embedder: Embedder

    async def find(self, where: Where, question: str, most: int) -> Findings:
        """Return the best passages; none when nothing resembles the question.

        Raises:
            ServiceMissing: the database is out of reach.
        """
        extent = None if where.is_whole else await self.catalogue.extent(where)
        if extent is not None and not extent.passages:
            return Findings()
        candidates = max(CANDIDATES, most * 2)
        terms = terms_of(question)
        by_meaning, by_words = await asyncio.gather(
            self._by_meaning(where, extent, question, candidates),
            self.catalogue.find_words(where, terms, extent, candidates),
        )
        if by_meaning is None:
            ranked = fuse([], by_words)
            kept = await self.catalogue.read(where.workspace, list(ranked)[:most])
            found = [_passage(kept[one], ranked[one], 0.0) for one in ranked if one in kept]
            return Findings(tuple(found), by_words_alone=True)
        vector, near = by_meaning
        scores = fuse([near], by_words)
        kept = await self.catalogue.read(where.workspace, list(scores))
        return Findings(tuple(self._shown(scores, kept, vector, most)))

    async def _by_meaning(
        self, where: Where, extent: Extent | None, question: str, most: int
    ) -> "tuple[Matrix, list[str]] | None":
        """Return the question's vector and the passages nearest to it, None if none can be asked."""
        try:
            vector = await self.embedder.embed([question])
            return vector, await self._near(where, extent, vector, most)
        except (ServiceMissing, TransientFailure, PermanentFailure) as wrong:
            log.info("memory.by_words_alone", error=str(wrong)[:300])
            return None

    async def _near(
        self, where: Where, extent: Extent | None, vector: "Matrix", most: int
    ) -> list[str]:
        if extent is not None and extent.passages <= EXACT_MOST:
            rows = [
                (passage_id, packed)
                for passage_id, embedding, packed in await self.catalogue.vectors(where, extent)
                if embedding == self.embedder.name
            ]
            return _nearest(
                [row[0] for row in rows], unpack([row[1] for row in rows]), vector, most
            )
        space = Space(where.workspace, where.shelf, self.embedder.name)
        chosen = None if extent is None else extent.document_ids
        return await self.vectors.near(space, vector, most, chosen)

    def _shown(
        self, scores: dict[str, float], kept: dict[str, Kept], vector: "Matrix", most: int
    ) -> list[Passage]:
        own = {
            passage_id: score
            for passage_id, score in scores.items()
            if passage_id in kept and kept[passage_id].embedding == self.embedder.name
        }
        if not own:
            return []
        vectors = unpack([kept[passage_id].vector for passage_id in own])
        similar = dict(zip(own, (vectors @ vector[0]).tolist(), strict=True))
        return [
            _passage(kept[passage_id], own[passage_id], similar[passage_id])
            for passage_id in choose(own, vectors, most)
            if similar[passage_id] >= LEAST_SIMILARITY
        ]


def _nearest(ids: Sequence[str], vectors: "Matrix", vector: "Matrix", most: int) -> list[str]:
    if not ids:
        return []
    similar = vectors @ vector[0]
    return [ids[at] for at in (-similar).argsort(kind="stable")[:most].tolist()]


def _passage(kept: Kept, score: float, similarity: float) -> Passage:
    return Passage(
        id=kept.id,
        text=kept.text,
        score=round(score, 4),
        similarity=round(min(max(similarity, 0.0), 1.0), 4),
        document_id=kept.document_id,
        title=kept.title,
        locator=kept.locator,
    )
