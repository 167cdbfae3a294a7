"""Words of models as they arrive at this process, for the streams that are open here.

One an API process. A topic is the id of a project or a subtask; it is subscribed to while
somebody listens, which is how workers learn that somebody does. Nothing is kept for long.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from nexus.domain.deltas import DELTA
from nexus.errors import ServiceMissing
from nexus.events.redis_link import RedisLink
from nexus.events.speaking import channel_prefix

TURN_SECONDS: Final = 0.1
AGAIN_SECONDS: Final = 1.0
KEPT_MESSAGES: Final = 256
KEPT_BYTES: Final = 262_144
TAKEN_BYTES: Final = 65_536
"""What one reader is given at once: the newest; one that is slow misses what was before."""


class Ear:
    """The newest messages of one topic, shared by all who listen; `count` numbers them."""

    def __init__(self) -> None:
        self.count = 0
        self.listeners = 0
        self._kept: deque[bytes] = deque()
        self._bytes = 0
        self._news = asyncio.Event()

    def take(self, message: str) -> None:
        """Keep a message, as it is sent to readers, and wake who waits."""
        written = f"event: {DELTA}\ndata: {message}\n\n".encode()
        self._kept.append(written)
        self._bytes += len(written)
        self.count += 1
        while self._bytes > KEPT_BYTES or len(self._kept) > KEPT_MESSAGES:
            self._bytes -= len(self._kept.popleft())
        self._news.set()
        self._news = asyncio.Event()

    def since(self, heard: int) -> list[bytes]:
        """Return the messages after number `heard`, as far as they are kept, oldest first."""
        found: list[bytes] = []
        size = 0
        for message in list(self._kept)[: -(self.count - heard) - 1 : -1]:
            size += len(message)
            if size > TAKEN_BYTES and found:
                break
            found.append(message)
        return found[::-1]

    async def wait(self, heard: int, timeout_seconds: float) -> None:
        """Return when there is a message after number `heard`, or when the time is over."""
        if self.count != heard:
            return
        news = self._news
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await news.wait()


class Hearing:
    """Hears topics through one subscription; `stir` is told which of them had a message."""

    def __init__(self, redis: RedisLink, installation_id: str, stir: Callable[[str], None]) -> None:
        self._redis = redis
        self._prefix = channel_prefix(installation_id)
        self._stir = stir
        self._ears: dict[str, Ear] = {}
        self._has_changed = True
        self._wanted = asyncio.Event()

    @asynccontextmanager
    async def listen_to(self, topic: str) -> AsyncIterator[Ear]:
        """Listen to a project or a subtask for as long as the context lasts."""
        ear = self._ears.setdefault(topic, Ear())
        ear.listeners += 1
        self._has_changed = True
        self._wanted.set()
        try:
            yield ear
        finally:
            ear.listeners -= 1
            if not ear.listeners:
                del self._ears[topic]
                self._has_changed = True
            if not self._ears:
                self._wanted.clear()

    async def listen(self) -> None:
        """Carry words of workers to the ears here; runs until cancelled."""
        while True:
            await self._wanted.wait()
            try:
                await self._listen_once()
            except ServiceMissing:
                await asyncio.sleep(AGAIN_SECONDS)

    async def _listen_once(self) -> None:
        """Listen while somebody wants to, for as long as the link uses the client it has now."""
        subscribed: set[str] = set()
        self._has_changed = True
        async with (
            self._redis.using() as client,
            client.pubsub(ignore_subscribe_messages=True) as subscription,
        ):
            while self._ears and self._redis.is_current(client):
                if self._has_changed:
                    self._has_changed = False
                    channels = {self._prefix + topic for topic in self._ears}
                    if new := channels - subscribed:
                        await subscription.subscribe(*new)
                    if gone := subscribed - channels:
                        await subscription.unsubscribe(*gone)
                    subscribed = channels
                message = await subscription.get_message(timeout=TURN_SECONDS)
                if message is not None:
                    self._hear(str(message["channel"]), str(message["data"]))

    def _hear(self, channel: str, message: str) -> None:
        topic = channel.removeprefix(self._prefix)
        ear = self._ears.get(topic)
        if ear is not None:
            ear.take(message)
            self._stir(topic)
