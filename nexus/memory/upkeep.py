"""Keeps Chroma in step with the catalogue, which is the truth: what is lost there is put back.

Every order of dying between the two is safe: a passage is in the catalogue before it is in
Chroma, and leaves it before it leaves Chroma; searches show nothing the catalogue has not.
Run by workers; any number of them may do it at once.
"""

from typing import Final

import structlog

from nexus.failpoints import failpoint
from nexus.memory.catalogue import Catalogue, Census
from nexus.memory.embed import unpack
from nexus.memory.passages import Space
from nexus.memory.vectors import IDS_PAGE, Vectors

BATCH: Final = 500
ROUNDS: Final = 200
"""What one call tidies at most, 100,000 passages: the next one goes on."""
CLOSE_EVERY: Final = 10
"""Which audits compare ids and not only numbers."""
COMPARED_MOST: Final = 100_000
"""Passages compared id by id in one audit; a space that has more is compared by itself."""
START: Final = ("", "", "")

log = structlog.get_logger()


class Upkeep:
    """Tidying and auditing; both raise ServiceMissing when Chroma or the database is away."""

    def __init__(self, catalogue: Catalogue, vectors: Vectors) -> None:
        self._catalogue = catalogue
        self._vectors = vectors
        self._audits = 0
        self._compared = START

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
        """Compare Chroma with the catalogue and mend it; return how many passages differed.

        By their numbers, and every tenth time, for some of the spaces, id by id: a hole and
        an orphan together have the right number.
        """
        self._audits += 1
        known = {one.space: one for one in await self._catalogue.census()}
        there = await self._vectors.spaces(await self._catalogue.workspaces())
        wrong: list[Space] = []
        for space in {**known, **dict.fromkeys(there)}:
            census = known.get(space, Census(space, 0, 0))
            if not census.seen <= await self._vectors.count(space) <= census.most:
                wrong.append(space)
        if self._audits % CLOSE_EVERY == 0:
            wrong += [one for one in self._next_in_turn([*known.values()]) if one not in wrong]
        return sum([await self._mend(space) for space in wrong])

    def _next_in_turn(self, known: list[Census]) -> list[Space]:
        """Choose what is compared id by id: from where the last time ended, within bounds."""
        chosen: list[Space] = []
        left = COMPARED_MOST
        for census in sorted(known, key=lambda one: _key(one.space)):
            if _key(census.space) <= self._compared:
                continue
            if chosen and census.most > left:
                break
            chosen.append(census.space)
            left -= census.most
        else:
            self._compared = START
            return chosen
        self._compared = _key(chosen[-1])
        return chosen

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


def _key(space: Space) -> tuple[str, str, str]:
    return space.workspace, space.shelf, space.embedding


def _about(space: Space) -> dict[str, str]:
    return {"workspace": space.workspace, "shelf": space.shelf, "embedding": space.embedding}
