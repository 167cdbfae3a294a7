"""One search: by meaning and by words at once, weighed together, near copies passed over.

Meaning is asked of Chroma; where few passages come into question their vectors are compared
here, exactly, which is quicker than Chroma's filter.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from nexus.errors import PermanentFailure, ServiceMissing, TransientFailure
from nexus.memory.catalogue import Catalogue, Extent, Matches
from nexus.memory.embed import Embedder, unpack
from nexus.memory.fusing import blend, within
from nexus.memory.passages import Findings, Kept, Passage, Space, Wanted, Where
from nexus.memory.reranking import Reranker
from nexus.memory.shortlist import Near, Shortlist, shortlist
from nexus.memory.terms import terms_of
from nexus.memory.vectors import Vectors

if TYPE_CHECKING:
    from nexus.memory.embed import Vectors as Matrix

log = structlog.get_logger()

EXACT_MOST: Final = 4_000
CANDIDATES: Final = 40
RERANKED: Final = 24
"""How many passages a reranker is shown: it takes some milliseconds for each."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What a question brought up: the passages nearest to it, by model, and those its words fit.

    No model while nothing can be asked by meaning.
    """

    near: Mapping[str, Near]
    matches: Matches


@dataclass(frozen=True, slots=True)
class Finder:
    """What a search needs; `former` made the vectors of what has none of `embedder` yet."""

    catalogue: Catalogue
    vectors: Vectors
    embedder: Embedder
    reranker: Reranker | None = None
    former: Embedder | None = None

    async def find(self, where: Where, wanted: Wanted) -> Findings:
        """Return the best passages; none when nothing resembles the question.

        Raises:
            ServiceMissing: the database is out of reach.
        """
        sight = await self.look(where, wanted.question, max(CANDIDATES, wanted.most * 2))
        if sight is None:
            return Findings()
        depth = wanted.most if self.reranker is None else max(RERANKED, wanted.most)
        found = await self._read(where, sight, depth)
        if found.is_hopeless() and not wanted.even_if_far:
            return Findings(by_words_alone=not sight.near)
        scores = await self._judged(found, wanted, depth)
        best = [found.kept[one] for one in scores][: wanted.most]
        places = within([one.tokens for one in best], wanted.max_tokens)
        return Findings(
            tuple(_passage(best[at], scores, found.similar) for at in places),
            by_words_alone=not sight.near,
            left_out=len(best) - len(places),
        )

    async def look(self, where: Where, question: str, most: int) -> Sight | None:
        """Ask by meaning and by words at once, for at most so many passages each.

        Returns:
            None when there is nothing where the search looks.

        Raises:
            ServiceMissing: the database is out of reach.
        """
        extent = None if where.is_whole else await self.catalogue.extent(where)
        if extent is not None and not extent.passages:
            return None
        near, matches = await asyncio.gather(
            self._by_meaning(where, extent, question, most),
            self.catalogue.find_words(where, terms_of(question), extent, most),
        )
        return Sight(near, matches)

    async def _read(self, where: Where, sight: Sight, depth: int) -> Shortlist:
        """Read those of the nearest that rank among the best; those not to be seen any more go."""
        found = shortlist(sight.near, sight.matches)
        while unread := found.unread(depth):
            found = found.with_read(unread, await self.catalogue.read(where.workspace, unread))
        return found

    async def _judged(self, found: Shortlist, wanted: Wanted, depth: int) -> dict[str, float]:
        """Score the best, by the reranker's word if there is one."""
        scores = found.best(depth)
        if self.reranker is None:
            return scores
        judged = await self.reranker.judge(wanted.question, [found.whole(one) for one in scores])
        if judged is None:
            return scores
        return blend(scores, dict(zip(scores, judged, strict=True)), self.reranker.share)

    async def _by_meaning(
        self, where: Where, extent: Extent | None, question: str, most: int
    ) -> dict[str, Near]:
        """Find the passages nearest to the question, by model in use."""
        found: dict[str, Near] = {}
        for embedder in await self._in_use(where):
            try:
                vector = await embedder.embed([question])
                near = await self._near(where, extent, vector, embedder.name, most)
                found[embedder.name] = Near(vector, near)
            except (ServiceMissing, TransientFailure, PermanentFailure) as wrong:
                log.info("memory.not_by_meaning", model=embedder.name, error=str(wrong)[:300])
        return found

    async def _in_use(self, where: Where) -> list[Embedder]:
        """Name the models to ask: another than the chosen one only while it has something here."""
        if self.former is None:
            return [self.embedder]
        known = await self.catalogue.embeddings(where.workspace, where.shelf)
        return [self.embedder, *([self.former] if self.former.name in known else [])]

    async def _near(
        self, where: Where, extent: Extent | None, vector: "Matrix", embedding: str, most: int
    ) -> dict[str, float]:
        if extent is not None and extent.passages <= EXACT_MOST:
            rows = [
                (passage_id, packed)
                for passage_id, made_by, packed in await self.catalogue.vectors(where, extent)
                if made_by == embedding
            ]
            return _nearest(
                [row[0] for row in rows], unpack([row[1] for row in rows]), vector, most
            )
        space = Space(where.workspace, where.shelf, embedding)
        chosen = None if extent is None else extent.document_ids
        return await self.vectors.near(space, vector, most, chosen)


def _nearest(
    ids: Sequence[str], vectors: "Matrix", vector: "Matrix", most: int
) -> dict[str, float]:
    if not ids:
        return {}
    similar = vectors @ vector[0]
    return {ids[at]: float(similar[at]) for at in (-similar).argsort(kind="stable")[:most].tolist()}


def _passage(kept: Kept, scores: Mapping[str, float], similar: Mapping[str, float]) -> Passage:
    return Passage(
        id=kept.id,
        text=kept.text,
        score=round(scores[kept.id], 4),
        similarity=round(min(max(similar.get(kept.id, 0.0), 0.0), 1.0), 4),
        document_id=kept.document_id,
        title=kept.title,
        locator=kept.locator,
        tokens=kept.tokens,
    )
