"""The one way to Redis: found anew at every reconnect, quick to say that it is missing.

Redis is a doorbell. Every caller has another way to go on when `using()` raises.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
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
"""What Redis being away looks like, from a connection as well as from a command."""

log = structlog.get_logger()


@dataclass(slots=True)
class _Line:
    """A client and how many use it; once dropped, whoever leaves last closes it."""

    client: Redis
    users: int = 0
    is_dropped: bool = False


class RedisLink:
    """Holds the client of one event loop; after a loss it stays away for a moment, then looks again."""

    def __init__(self, locate: Callable[[], str]) -> None:
        self._locate = locate
        self._line: _Line | None = None
        self._dialling = asyncio.Lock()
        self._away_until = 0.0
        self._was_up = True

    @asynccontextmanager
    async def using(self) -> AsyncIterator[Redis]:
        """Use a connected client for the length of the block.

        Raises:
            ServiceMissing: Redis is out of reach, was a moment ago, or fails inside the block.
        """
        line = await self._dial()
        line.users += 1
        try:
            yield line.client
        except UNREACHABLE as wrong:
            self._lose(line, wrong)
            raise _missing() from wrong
        finally:
            line.users -= 1
            if line.is_dropped and not line.users:
                await _close(line.client)

    def is_current(self, client: Redis) -> bool:
        """Tell whether this is still the client that new uses get."""
        return self._line is not None and self._line.client is client

    async def _dial(self) -> _Line:
        """Return the line, making one connection however many ask at once."""
        async with self._dialling:
            if self._line is not None:
                return self._line
            if time.monotonic() < self._away_until:
                raise _missing()
            try:
                client = await self._connect()
            except (*UNREACHABLE, ValueError) as wrong:  # ValueError: an address that is none
                self._stay_away(wrong)
                raise _missing() from wrong
            self._line = _Line(client)
            if not self._was_up:
                log.info("redis.found")
            self._was_up = True
            return self._line

    async def _connect(self) -> Redis:
        client = Redis.from_url(
            self._locate(),
            decode_responses=True,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=REPLY_SECONDS,
            max_connections=CONNECTIONS,
            retry=Retry(NoBackoff(), 0),
        )
        async with AsyncExitStack() as undo:
            undo.push_async_callback(_close, client)
            await client.ping()
            undo.pop_all()
        return client

    def _lose(self, line: _Line, wrong: Exception) -> None:
        """Give up a line after an error: the next use connects anew, where Redis is then.

        Other users of the line are left to their own end of it: closing it under them would
        break their reads in the middle.
        """
        line.is_dropped = True
        if self._line is line:
            self._line = None
            self._stay_away(wrong)

    def _stay_away(self, wrong: Exception) -> None:
        self._away_until = time.monotonic() + PAUSE_SECONDS
        if self._was_up:
            log.warning(
                "redis.missing",
                error=type(wrong).__name__,
                hint="set NEXUS_REDIS_URL or start Redis; work goes on, slower, without it",
            )
        self._was_up = False

    async def is_up(self) -> bool:
        """Tell whether Redis answers."""
        try:
            async with self.using() as client:
                await client.ping()
        except ServiceMissing:
            return False
        return True

    async def close(self) -> None:
        """Let go of every connection."""
        line, self._line = self._line, None
        if line is not None:
            line.is_dropped = True
            await _close(line.client)


async def _close(client: Redis) -> None:
    """Close connections; one that hangs in its goodbye (TLS waits for the other side's) is let go."""
    with suppress(*UNREACHABLE):
        await client.aclose()


def _missing() -> ServiceMissing:
    return ServiceMissing("Redis is out of reach", hint="set NEXUS_REDIS_URL or start Redis")
