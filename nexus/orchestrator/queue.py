"""The doorbell for work: Redis Streams with one consumer group, carrying subtask ids only.

Two streams, quick kinds before work. An entry is acknowledged and deleted once its claim
is committed (or was refused); from there on the database's leases answer for the subtask.
Every method raises ServiceMissing when Redis is away; the callers ask the database then.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.exceptions import ResponseError

from nexus.events.redis_link import RedisLink
from nexus.orchestrator.turn import Announcement

GROUP: Final = "workers"
START: Final = "0-0"
BLOCK_MS: Final = 1_000
ABANDONED_MS: Final = 5_000
INHERITED: Final = 1_000
QUICK_IN_A_ROW: Final = 4
"""So many reads may be filled by quick kinds alone; then one entry of work goes first."""


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
        self._quick_in_a_row = 0
        self._looked_until: dict[str, str] = {}  # by stream, where XAUTOCLAIM goes on

    async def announce(self, announcements: Sequence[Announcement]) -> None:
        """Add ids to the streams."""
        if not announcements:
            return
        async with self._redis.using() as client, client.pipeline(transaction=False) as pipe:
            for one in announcements:
                pipe.xadd(self._quick if one.quick else self._work, {"id": one.subtask_id})
            await pipe.execute()

    async def backlog(self) -> int:
        """Count the entries that nobody has acknowledged yet."""
        async with self._redis.using() as client:
            return int(await client.xlen(self._quick)) + int(await client.xlen(self._work))

    async def read(self, consumer: str, count: int, block_ms: int = BLOCK_MS) -> list[Message]:
        """Take up to `count` entries, quick ones first, waiting up to `block_ms` for the first.

        When both streams get entries at the same moment it may take up to twice `count`.
        """
        async with self._redis.using() as client:
            try:
                first = await self._take_aged(client, consumer)
                left = count - len(first)
                quick = await self._read(client, consumer, [self._quick], left, None)
                is_filled = 0 < left == len(quick)
                self._quick_in_a_row = self._quick_in_a_row + 1 if is_filled else 0
                if first or quick:
                    left -= len(quick)
                    return (
                        first + quick + await self._read(client, consumer, [self._work], left, None)
                    )
                both = [self._quick, self._work]
                return await self._read(client, consumer, both, count, block_ms)
            except ResponseError as wrong:
                if not str(wrong).startswith("NOGROUP"):
                    raise
                await self._make_groups(client)
                return []

    async def _take_aged(self, client: Any, consumer: str) -> list[Message]:
        """Take an entry of work when quick kinds alone have filled the last reads."""
        if self._quick_in_a_row < QUICK_IN_A_ROW:
            return []
        self._quick_in_a_row = 0
        return await self._read(client, consumer, [self._work], 1, None)

    async def _read(
        self, client: Any, consumer: str, streams: list[str], count: int, block_ms: int | None
    ) -> list[Message]:
        if count <= 0:
            return []
        wanted: Any = dict.fromkeys(streams, ">")
        found = await client.xreadgroup(GROUP, consumer, wanted, count=count, block=block_ms)
        return _messages(found)

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        """Take entries off the streams for good."""
        if not messages:
            return
        async with self._redis.using() as client, client.pipeline(transaction=False) as pipe:
            for stream in {message.stream for message in messages}:
                entries = [m.entry for m in messages if m.stream == stream]
                pipe.xack(stream, GROUP, *entries)
                pipe.xdel(stream, *entries)
            await pipe.execute()

    async def give_back(self, messages: Sequence[Message]) -> None:
        """Put entries back at the end of their streams, for whoever is free."""
        if not messages:
            return
        quick = [Announcement(m.subtask_id, m.stream == self._quick) for m in messages]
        await self.announce(quick)
        await self.acknowledge(messages)

    async def take_abandoned(self, consumer: str, count: int) -> list[Message]:
        """Take over up to `count` entries another consumer read long ago and never acknowledged."""
        taken: list[Message] = []
        async with self._redis.using() as client:
            for stream in (self._quick, self._work):
                if len(taken) >= count:
                    break
                try:
                    until, entries, *_ = await client.xautoclaim(
                        stream,
                        GROUP,
                        consumer,
                        ABANDONED_MS,
                        self._looked_until.get(stream, START),
                        count=count - len(taken),
                    )
                except ResponseError as wrong:
                    if not str(wrong).startswith("NOGROUP"):
                        raise
                    self._looked_until.pop(stream, None)
                    continue
                self._looked_until[stream] = until
                taken += [Message(stream, entry, data["id"]) for entry, data in entries if data]
        return taken

    async def inherit(self, ended: str, heir: str) -> int:
        """Put what a worker that has ended read and never acknowledged back; return how many.

        They pass through the hands of `heir`: should it end in the middle, its heir finds them.
        Two heirs at once put them back twice, which whoever claims refuses.
        """
        returned = 0
        async with self._redis.using() as client:
            for stream in (self._quick, self._work):
                while left := await self._entries_of(client, stream, ended):
                    found = await client.xclaim(stream, GROUP, heir, 0, left)
                    await self.give_back(_messages([(stream, found)]))
                    returned += len(found)
        return returned

    async def _entries_of(self, client: Any, stream: str, consumer: str) -> list[Any]:
        try:
            found = await client.xpending_range(stream, GROUP, "-", "+", INHERITED, consumer)
        except ResponseError:
            return []  # no stream or no group any more
        return [one["message_id"] for one in found]

    async def leave(self, consumer: str) -> None:
        """Remove a consumer that has nothing in hand."""
        async with self._redis.using() as client:
            for stream in (self._quick, self._work):
                try:
                    waiting = await client.xpending_range(stream, GROUP, "-", "+", 1, consumer)
                    if not waiting:
                        await client.xgroup_delconsumer(stream, GROUP, consumer)
                except ResponseError:
                    continue  # no group any more: nothing to leave

    async def forget_consumers(self, alive: Collection[str]) -> None:
        """Remove consumers of workers that are gone, once others took over what they held."""
        async with self._redis.using() as client:
            for stream in (self._quick, self._work):
                try:
                    known = await client.xinfo_consumers(stream, GROUP)
                except ResponseError:
                    continue  # no stream or no group any more
                for one in known:
                    if one["name"] not in alive and not one["pending"]:
                        await client.xgroup_delconsumer(stream, GROUP, one["name"])

    async def _make_groups(self, client: Any) -> None:
        for stream in (self._quick, self._work):
            try:
                await client.xgroup_create(stream, GROUP, id="0", mkstream=True)
            except ResponseError as wrong:
                if not str(wrong).startswith("BUSYGROUP"):
                    raise


def _messages(found: Any) -> list[Message]:
    """Read XREADGROUP's answer: pairs of a stream and its (entry, fields) rows."""
    return [
        Message(stream, entry, data["id"])
        for stream, rows in found or ()
        for entry, data in rows
        if data
    ]
