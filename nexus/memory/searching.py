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
from nexus.memory.shortlist import Shortlist, shortlist
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
    """What a question brought up: the nearest passages, and those its words fit.

    `vectors` are the question's, by the model that made them; none while nothing can be asked
    by meaning. `kept` is what can be seen of both, near ones first.
    """

    vectors: Mapping[str, "Matrix"]
    near: Sequence[str]
    matches: Matches
    kept: Mapping[str, Kept]


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
        found = shortlist(sight.kept, sight.matches, sight.vectors)
        if found.is_hopeless() and not wanted.even_if_far:
            return Findings(by_words_alone=not sight.vectors)
        scores = await self._judged(found, wanted)
        best = [sight.kept[one] for one in scores][: wanted.most]
        places = within([one.tokens for one in best], wanted.max_tokens)
        return Findings(
            tuple(_passage(best[at], scores, found.similar) for at in places),
            by_words_alone=not sight.vectors,
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
        asked, matches = await asyncio.gather(
            self._by_meaning(where, extent, question, most),
            self.catalogue.find_words(where, terms_of(question), extent, most),
        )
        vectors = {name: vector for name, (vector, _) in asked.items()}
        near = [one for _, found in asked.values() for one in found]
        others = [one for one in near if one not in matches.kept]
        read = await self.catalogue.read(where.workspace, others) if others else {}
        found = {**read, **matches.kept}
        kept = {one: found[one] for one in dict.fromkeys([*near, *found]) if one in found}
        return Sight(vectors, near, matches, kept)

    async def _judged(self, found: Shortlist, wanted: Wanted) -> dict[str, float]:
        """Score the best, by the reranker's word if there is one."""
        if self.reranker is None:
            return found.best(wanted.most)
        scores = found.best(max(RERANKED, wanted.most))
        judged = await self.reranker.judge(wanted.question, [found.whole(one) for one in scores])
        if judged is None:
            return scores
        return blend(scores, dict(zip(scores, judged, strict=True)), self.reranker.share)

    async def _by_meaning(
        self, where: Where, extent: Extent | None, question: str, most: int
    ) -> "dict[str, tuple[Matrix, list[str]]]":
        """Return the question's vector and the passages nearest to it, by model in use."""
        found: dict[str, tuple[Matrix, list[str]]] = {}
        for embedder in await self._in_use(where):
            try:
                vector = await embedder.embed([question])
                near = await self._near(where, extent, vector, embedder.name, most)
                found[embedder.name] = (vector, near)
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
    ) -> list[str]:
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


def _nearest(ids: Sequence[str], vectors: "Matrix", vector: "Matrix", most: int) -> list[str]:
    if not ids:
        return []
    similar = vectors @ vector[0]
    return [ids[at] for at in (-similar).argsort(kind="stable")[:most].tolist()]


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
