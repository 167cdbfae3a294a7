"""The doorbell for work: Redis Streams with one consumer group, carrying subtask ids only.

Two streams, quick kinds before work. An entry is acknowledged and deleted once its claim
is committed (or was refused); from there on the database's leases answer for the subtask.
Every method raises ServiceMissing when Redis is away; the callers ask the database then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from redis.exceptions import ResponseError

from nexus.errors import ServiceMissing
from nexus.events.redis_link import UNREACHABLE, RedisLink
from nexus.orchestrator.turn import Announcement

GROUP: Final = "workers"
BLOCK_MS: Final = 1_000
ABANDONED_MS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Message:
    """A stream entry in this worker's hands."""

    stream: str
    entry: str
    subtask_id: str


class Queue:
    """One installation's queue, over one process's link to Redis."""

    def __init__(self, redis: RedisLink, installation_id: str) -> None:
        self._redis = redis
        self._quick = f"{installation_id}:queue:quick"
        self._work = f"{installation_id}:queue:work"

    async def announce(self, announcements: Sequence[Announcement]) -> None:
        """Add ids to the streams."""
        if not announcements:
            return
        try:
            async with (await self._redis.client()).pipeline(transaction=False) as pipe:
                for one in announcements:
                    pipe.xadd(self._quick if one.quick else self._work, {"id": one.subtask_id})
                await pipe.execute()
        except UNREACHABLE as wrong:
            await self._fail(wrong)

    async def read(self, consumer: str, count: int, block_ms: int = BLOCK_MS) -> list[Message]:
        """Take up to `count` entries of each stream, waiting up to `block_ms` for the first."""
        try:
            client = await self._redis.client()
            streams: Any = {self._quick: ">", self._work: ">"}
            try:
                found = await client.xreadgroup(
                    GROUP, consumer, streams, count=count, block=block_ms
                )
            except ResponseError as wrong:
                if not str(wrong).startswith("NOGROUP"):
                    raise
                await self._make_groups(client)
                return []
        except UNREACHABLE as wrong:
            await self._fail(wrong)
        return _messages(found)

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        """Take entries off the streams for good."""
        if not messages:
            return
        try:
            async with (await self._redis.client()).pipeline(transaction=False) as pipe:
                for stream in {message.stream for message in messages}:
                    entries = [m.entry for m in messages if m.stream == stream]
                    pipe.xack(stream, GROUP, *entries)
                    pipe.xdel(stream, *entries)
                await pipe.execute()
        except UNREACHABLE as wrong:
            await self._fail(wrong)

    async def take_abandoned(self, consumer: str) -> list[Message]:
        """Take over entries another consumer read long ago and never acknowledged."""
        taken: list[Message] = []
        try:
            client = await self._redis.client()
            for stream in (self._quick, self._work):
                try:
                    _, entries, *_ = await client.xautoclaim(
                        stream, GROUP, consumer, ABANDONED_MS, count=100
                    )
                except ResponseError as wrong:
                    if not str(wrong).startswith("NOGROUP"):
                        raise
                    continue
                taken += [Message(stream, entry, data["id"]) for entry, data in entries if data]
        except UNREACHABLE as wrong:
            await self._fail(wrong)
        return taken

    async def leave(self, consumer: str) -> None:
        """Remove a consumer that has nothing in hand."""
        try:
            client = await self._redis.client()
            for stream in (self._quick, self._work):
                waiting = await client.xpending_range(stream, GROUP, "-", "+", 1, consumer)
                if not waiting:
                    await client.xgroup_delconsumer(stream, GROUP, consumer)
        except ResponseError:
            return  # no group any more: nothing to leave
        except UNREACHABLE as wrong:
            await self._fail(wrong)

    async def _make_groups(self, client: Any) -> None:
        for stream in (self._quick, self._work):
            try:
                await client.xgroup_create(stream, GROUP, id="0", mkstream=True)
            except ResponseError as wrong:
                if not str(wrong).startswith("BUSYGROUP"):
                    raise

    async def _fail(self, wrong: Exception) -> NoReturn:
        await self._redis.lost(wrong)
        raise ServiceMissing("Redis went away") from wrong


def _messages(found: Any) -> list[Message]:
    """Read XREADGROUP's answer: pairs of a stream and its (entry, fields) rows."""
    return [
        Message(stream, entry, data["id"])
        for stream, rows in found or ()
        for entry, data in rows
        if data
    ]
