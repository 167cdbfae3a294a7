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
    """One reader's wait for news of one project."""

    def __init__(self) -> None:
        self._news = asyncio.Event()

    def ring(self) -> None:
        self._news.set()

    async def wait(self, timeout_seconds: float) -> None:
        """Return when something may have happened, or when the time is over."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._news.wait()
        except TimeoutError:
            return
        self._news.clear()


class Bell:
    """Rings through Redis and, in this process, directly."""

    def __init__(self, redis: RedisLink, installation_id: str) -> None:
        self._redis = redis
        self._channel = f"{installation_id}:events"
        self._watches: dict[str, set[Watch]] = {}

    async def ring(self, project_ids: Collection[str]) -> None:
        """Wake whoever watches these projects; without Redis, only in this process."""
        if not project_ids:
            return
        self._wake(project_ids)
        with suppress(ServiceMissing):
            async with self._redis.using() as client:
                await client.publish(self._channel, " ".join(project_ids))

    @asynccontextmanager
    async def watch(self, project_id: str) -> AsyncIterator[Watch]:
        """Watch a project for as long as the context lasts."""
        watch = Watch()
        self._watches.setdefault(project_id, set()).add(watch)
        try:
            yield watch
        finally:
            watches = self._watches[project_id]
            watches.discard(watch)
            if not watches:
                del self._watches[project_id]

    async def listen(self) -> None:
        """Carry rings of other processes to the watches here; runs until cancelled."""
        while True:
            try:
                await self._listen_once()
            except ServiceMissing:
                await asyncio.sleep(LISTEN_SECONDS)

    async def _listen_once(self) -> None:
        """Listen for as long as the link uses the client it has now."""
        async with self._redis.using() as client, client.pubsub() as subscription:
            await subscription.subscribe(self._channel)
            while self._redis.is_current(client):
                message = await subscription.get_message(
                    ignore_subscribe_messages=True, timeout=LISTEN_SECONDS
                )
                if message is not None:
                    self._wake(str(message["data"]).split())

    def _wake(self, project_ids: Collection[str]) -> None:
        for project_id in project_ids:
            for watch in self._watches.get(project_id, ()):
                watch.ring()
