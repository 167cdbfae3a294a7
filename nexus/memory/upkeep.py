"""Keeps Chroma in step with the catalogue, which is the truth: what is lost there is put back.

Every order of dying between the two is safe: a passage is in the catalogue before it is in
Chroma, and leaves it before it leaves Chroma; searches show nothing the catalogue has not.
Run by workers; any number of them may do it at once.
"""

from typing import Final

import structlog

from nexus.failpoints import failpoint
from nexus.memory.catalogue import Catalogue
from nexus.memory.embed import unpack
from nexus.memory.passages import Space
from nexus.memory.vectors import IDS_PAGE, Vectors

BATCH: Final = 500
ROUNDS: Final = 200
"""What one call tidies at most, 100,000 passages: the next one goes on."""

log = structlog.get_logger()


class Upkeep:
    """Tidying and auditing; both raise ServiceMissing when Chroma or the database is away."""

    def __init__(self, catalogue: Catalogue, vectors: Vectors) -> None:
        self._catalogue = catalogue
        self._vectors = vectors

    async def tidy(self) -> None:
        """Remove passages nobody can see from the catalogue, then what has left it from Chroma."""
        for _ in range(ROUNDS):
            documents = await self._catalogue.untidy(BATCH)
            if not documents:
                break
            await self._catalogue.discard(documents)
            failpoint("discard.done")
        for _ in range(ROUNDS):
            spaces = await self._catalogue.forgotten(BATCH)
            for space, ids in spaces.items():
                await self._vectors.drop(space, ids)
                failpoint("drop.done")
                await self._catalogue.forget(ids)
            if not spaces:
                break

    async def audit(self) -> int:
        """Compare Chroma with the catalogue and mend it; return how many passages differed."""
        differed = 0
        for census in await self._catalogue.census():
            if not census.seen <= await self._vectors.count(census.space) <= census.most:
                differed += await self._mend(census.space)
        return differed

    async def _mend(self, space: Space) -> int:
        kept = await self._kept(space)
        lost = await self._lost(space, kept)
        extra = sorted(kept - await self._known(sorted(kept)))
        await self._vectors.drop(space, extra)
        if lost or extra:
            log.warning("memory.mended", **_about(space), put_back=len(lost), removed=len(extra))
        return len(lost) + len(extra)

    async def _kept(self, space: Space) -> set[str]:
        kept: set[str] = set()
        page = [""] * IDS_PAGE
        while len(page) == IDS_PAGE:
            page = await self._vectors.page(space, len(kept))
            kept.update(page)
        return kept

    async def _known(self, passage_ids: list[str]) -> set[str]:
        known: set[str] = set()
        for start in range(0, len(passage_ids), IDS_PAGE):
            known |= await self._catalogue.known(passage_ids[start : start + IDS_PAGE])
        return known

    async def _lost(self, space: Space, kept: set[str]) -> list[str]:
        lost: list[str] = []
        page = [""]
        while page:
            page = await self._catalogue.seen(space, page[-1], BATCH)
            missing = [one for one in page if one not in kept]
            rows = await self._catalogue.read(space.workspace, missing)
            for document_id in sorted({row.document_id for row in rows.values()}):
                own = [row for row in rows.values() if row.document_id == document_id]
                vectors = unpack([row.vector for row in own])
                await self._vectors.put(space, document_id, [row.id for row in own], vectors)
            lost += rows
        return lost


def _about(space: Space) -> dict[str, str]:
    return {"workspace": space.workspace, "shelf": space.shelf, "embedding": space.embedding}
