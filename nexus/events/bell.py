"""The bell: tells readers of event streams, in any process, that a project has new events.

A ring carries project ids only, may be lost, and may come twice: whoever waits reads the
database afterwards in any case.
"""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from typing import Final

from nexus.errors import ServiceMissing
from nexus.events.redis_link import RedisLink

LISTEN_SECONDS: Final = 1.0


class Watch:
    """What is heard of one project, by any number of readers: `rings` counts.

    `moves` counts what wakes readers: rings, and words for which no database need be asked.
    """

    def __init__(self) -> None:
        self.rings = 0
        self.moves = 0
        self.readers = 0
        self._news = asyncio.Event()

    def ring(self) -> None:
        """Wake everyone who waits: there are new events."""
        self.rings += 1
        self.stir()

    def stir(self) -> None:
        """Wake everyone who waits, for something that is no event."""
        self.moves += 1
        self._news.set()
        self._news = asyncio.Event()

    async def wait(self, moved: int, timeout_seconds: float) -> None:
        """Return when `moves` is not `moved` any more, or when the time is over."""
        if self.moves != moved:
            return
        news = self._news
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await news.wait()


class Bell:
    """Rings through Redis and, in this process, directly."""

    def __init__(self, redis: RedisLink, installation_id: str) -> None:
        self._redis = redis
        self._channel = f"{installation_id}:events"
        self._watches: dict[str, Watch] = {}
        self._watched = asyncio.Event()

    async def ring(self, project_ids: Collection[str]) -> None:
        """Wake whoever watches these projects; without Redis, only in this process."""
        if not project_ids:
            return
        self._wake(project_ids)
        with suppress(ServiceMissing):
            async with self._redis.using() as client:
                await client.publish(self._channel, " ".join(project_ids))

    def stir(self, project_id: str) -> None:
        """Wake whoever watches a project in this process, without news of its history."""
        watch = self._watches.get(project_id)
        if watch is not None:
            watch.stir()

    @asynccontextmanager
    async def watch(self, project_id: str) -> AsyncIterator[Watch]:
        """Watch a project for as long as the context lasts; all who do share one watch."""
        watch = self._watches.setdefault(project_id, Watch())
        watch.readers += 1
        self._watched.set()
        try:
            yield watch
        finally:
            watch.readers -= 1
            if not watch.readers:
                del self._watches[project_id]
            if not self._watches:
                self._watched.clear()

    async def listen(self) -> None:
        """Carry rings of other processes to the watches here; runs until cancelled."""
        while True:
            await self._watched.wait()
            try:
                await self._listen_once()
            except ServiceMissing:
                await asyncio.sleep(LISTEN_SECONDS)

    async def _listen_once(self) -> None:
        """Listen while somebody watches, for as long as the link uses the client it has now."""
        async with self._redis.using() as client, client.pubsub() as subscription:
            await subscription.subscribe(self._channel)
            while self._watches and self._redis.is_current(client):
                message = await subscription.get_message(timeout=LISTEN_SECONDS)
                if message is None:
                    continue
                if message["type"] == "message":
                    self._wake(str(message["data"]).split())
                else:
                    self._wake(tuple(self._watches))  # what rang before the subscription stood

    def _wake(self, project_ids: Collection[str]) -> None:
        for project_id in project_ids:
            watch = self._watches.get(project_id)
            if watch is not None:
                watch.ring()
