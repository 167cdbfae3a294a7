"""Waiting for answers: one look at the database serves all who wait."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncSession

from nexus.models.database import Database
from nexus.models.writing import Transaction
from nexus.orchestrator.chatting import NewMessage, stop_answer
from nexus.orchestrator.turn import Turn
from nexus.services.replies import Replies
from tests.support.rig import WORKSPACE, Rig
from tests.support.waiting import until

WAITING = 40


class Counted(Database):
    """A database that counts how often it is read."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.reads = 0

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        self.reads += 1
        async with self.database.read() as session:
            yield session


async def follow(replies: Replies, subtask_id: str, looks: list[str | None]) -> None:
    """Follow an answer to its end, keeping what was seen."""
    async with aclosing(replies.follow(subtask_id)) as standings:
        async for standing in standings:
            looks.append(standing.status)


async def test_many_wait_for_the_price_of_one(rig: Rig) -> None:
    engine, counted = rig.parts.engine, Counted(rig.parts.database)
    replies = Replies(counted, rig.parts.bell)
    message = NewMessage(WORKSPACE, "echo", "Hello")
    queued = [await engine.run(lambda turn: engine.converse(turn, message)) for _ in range(WAITING)]
    looks: list[list[str | None]] = [[] for _ in queued]

    def stop_all(turn: Turn) -> Transaction[None]:
        for one in queued:
            yield from stop_answer(turn, WORKSPACE, "echo", one.conversation_id)

    async with asyncio.TaskGroup() as following, asyncio.timeout(20):
        for one, seen in zip(queued, looks, strict=True):
            following.create_task(follow(replies, one.subtask_id, seen))
        await until(lambda: min(len(seen) for seen in looks) >= 3)
        await engine.run(stop_all)
    assert {tuple(seen[:3]) for seen in looks} == {("queued",) * 3}
    assert {seen[-1] for seen in looks} == {"cancelled"}
    assert counted.reads < WAITING / 2
