"""Reads the queue's streams beside the workers' group, which does not notice."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from redis.asyncio import Redis

from tests.chaos.world import World


@dataclass(frozen=True, slots=True)
class Heard:
    """One message: its stream and its fields."""

    stream: str
    fields: dict[str, str]

    @property
    def size(self) -> int:
        """Bytes of its names and values."""
        return sum(len(name.encode()) + len(value.encode()) for name, value in self.fields.items())


Reply = Callable[["Redis", Heard], Awaitable[None]]


async def _say_nothing(client: Redis, heard: Heard) -> None:
    return


@dataclass
class Overhearing:
    """Listens from the beginning of an `async with` to its end; `reply` may add messages."""

    world: World
    reply: Reply = _say_nothing
    messages: list[Heard] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self._client = Redis.from_url(self.world.redis_url, decode_responses=True)
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listening.cancel()
        with suppress(asyncio.CancelledError):
            await self._listening
        await self._client.aclose()

    async def _listen(self) -> None:
        prefix = self.world.database.installation_id
        last: Any = {f"{prefix}:queue:quick": "0", f"{prefix}:queue:work": "0"}
        while True:
            found: Any = await self._client.xread(last, block=50)
            for stream, entries in found or ():
                for entry, fields in entries:
                    last[stream] = entry
                    heard = Heard(stream, fields)
                    self.messages.append(heard)
                    await self.reply(self._client, heard)
