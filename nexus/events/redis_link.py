"""The one way to Redis: found anew at every reconnect, quick to say that it is missing.

Redis is a doorbell. Every caller has another way to go on when `client()` raises.
"""

import time
from collections.abc import Callable
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from nexus.errors import ServiceMissing

CONNECT_SECONDS: Final = 1.0
REPLY_SECONDS: Final = 5.0
PAUSE_SECONDS: Final = 1.0
CONNECTIONS: Final = 64

UNREACHABLE: Final = (RedisError, OSError)
"""What Redis being away looks like; catch these, report to `lost`, go on without."""

log = structlog.get_logger()


class RedisLink:
    """Holds the client of one event loop; after a loss it stays away for a moment, then looks again."""

    def __init__(self, locate: Callable[[], str]) -> None:
        self._locate = locate
        self._client: Redis | None = None
        self._away_until = 0.0
        self._was_up = True

    async def client(self) -> Redis:
        """Return a connected client.

        Raises:
            ServiceMissing: Redis is out of reach, or was a moment ago.
        """
        if self._client is not None:
            return self._client
        if time.monotonic() < self._away_until:
            raise _missing()
        client = Redis.from_url(
            self._locate(),
            decode_responses=True,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=REPLY_SECONDS,
            max_connections=CONNECTIONS,
            retry=Retry(NoBackoff(), 0),
        )
        try:
            await client.ping()
        except UNREACHABLE as wrong:
            await client.aclose()
            await self.lost(wrong)
            raise _missing() from wrong
        self._client = client
        if not self._was_up:
            log.info("redis.found")
        self._was_up = True
        return client

    async def lost(self, wrong: Exception) -> None:
        """Drop the client after an error: the next call connects anew, where Redis is then."""
        self._away_until = time.monotonic() + PAUSE_SECONDS
        if self._was_up:
            log.warning(
                "redis.missing",
                error=type(wrong).__name__,
                hint="set NEXUS_REDIS_URL or start Redis; work goes on, slower, without it",
            )
        self._was_up = False
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def is_up(self) -> bool:
        """Tell whether Redis answers."""
        try:
            await (await self.client()).ping()
        except ServiceMissing:
            return False
        except UNREACHABLE as wrong:
            await self.lost(wrong)
            return False
        return True

    async def close(self) -> None:
        """Let go of every connection."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


def _missing() -> ServiceMissing:
    return ServiceMissing("Redis is out of reach", hint="set NEXUS_REDIS_URL or start Redis")
