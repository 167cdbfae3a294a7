"""The newest pages of the histories that are being followed, shared by all who follow one.

However many streams a project has, its history is read once for all of them, and at most
every `PACE_SECONDS` while they are at its end. A page that holds events never changes.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from nexus.events.bell import Bell, Watch
from nexus.models.database import Database
from nexus.services.events import read_stream_page

PAGE_EVENTS: Final = 200
PAGES_KEPT: Final = 64
"""Over all projects; a page is some 60 KB."""
PACE_SECONDS: Final = 0.05
FALLBACK_SECONDS: Final = 1.0
"""How long a stream trusts the bell; after it the database is asked."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one read adds to a stream: messages (perhaps none) up to the event `reached`."""

    messages: bytes
    reached: int
    has_more: bool
    is_over: bool


@dataclass(frozen=True, slots=True)
class _Look:
    """The newest answer, true for who asks from the same place until something may have happened."""

    after: int
    rings: int
    at: float
    batch: Batch


@dataclass(slots=True)
class Tail:
    """The end of one project's history."""

    database: Database
    project_id: str
    watch: Watch
    followers: int = 0
    _pages: OrderedDict[int, Batch] = field(default_factory=OrderedDict)
    _newest: _Look | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def read(self, after: int, pages_kept: int) -> Batch:
        """Return what follows the event `after`; one look at the database serves all who ask."""
        found = self._known(after)
        if found is not None:
            return found
        async with self._lock:
            found = self._known(after)
            if found is not None:
                return found
            if self._newest is not None and after >= self._newest.batch.reached:
                await asyncio.sleep(self._newest.at + PACE_SECONDS - time.monotonic())
            rings, now = self.watch.rings, time.monotonic()
            page = await read_stream_page(self.database, self.project_id, after, PAGE_EVENTS)
            batch = Batch(page.text.encode(), page.reached, page.has_more, page.is_over)
            self._keep(_Look(after, rings, now, batch), pages_kept)
            return batch

    def _known(self, after: int) -> Batch | None:
        newest = self._newest
        if (
            newest is not None
            and newest.after == after
            and newest.rings == self.watch.rings
            and time.monotonic() - newest.at < FALLBACK_SECONDS
        ):
            return newest.batch
        return self._pages.get(after)

    def _keep(self, look: _Look, pages_kept: int) -> None:
        batch = look.batch
        if not batch.has_more:
            self._newest = look
        if batch.messages and not batch.is_over:
            self._pages[look.after] = replace(batch, has_more=True)  # as far as is known later
        while len(self._pages) > pages_kept:
            self._pages.popitem(last=False)


class Tails:
    """The tails of the projects that are followed now."""

    def __init__(self, database: Database, bell: Bell) -> None:
        self._database = database
        self._bell = bell
        self._open: dict[str, Tail] = {}

    async def follow(self, project_id: str, after: int) -> AsyncGenerator[Batch]:
        """Yield what is committed after the event `after`, nothing at least every second, to the end.

        Between two yields a stream holds no more than the page it was given.

        Raises:
            NotFound: the project is gone.
        """
        async with self._tail(project_id) as tail:
            is_over = False
            while not is_over:
                moves = tail.watch.moves
                batch = await tail.read(after, max(2, PAGES_KEPT // len(self._open)))
                yield batch
                after, is_over = batch.reached, batch.is_over
                if not batch.has_more and not is_over:
                    await tail.watch.wait(moves, FALLBACK_SECONDS)

    @asynccontextmanager
    async def _tail(self, project_id: str) -> AsyncIterator[Tail]:
        async with self._bell.watch(project_id) as watch:
            tail = self._open.get(project_id)
            if tail is None:
                tail = self._open[project_id] = Tail(self._database, project_id, watch)
            tail.followers += 1
            try:
                yield tail
            finally:
                tail.followers -= 1
                if not tail.followers:
                    del self._open[project_id]
