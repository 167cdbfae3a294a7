"""Following a history: whole and in order for everybody, read once for all."""

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path

import pytest

from nexus.errors import NotFound
from nexus.models.database import Database
from nexus.models.writing import Query, Row
from nexus.services import tails
from nexus.services.tails import Tails
from tests.support.rig import Rig, open_rig, plan, task

ID = re.compile(rb"^id: (\d+)$", re.MULTILINE)


class Counted(Database):
    """A database that counts what it is asked."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.asked = 0

    async def ask(self, *questions: Query) -> list[Sequence[Row]]:
        self.asked += len(questions)
        return await self.database.ask(*questions)


@pytest.fixture
async def rig(tmp_path: Path, redis_url: str, database_url: str) -> AsyncIterator[Rig]:
    async with open_rig(tmp_path, redis_url=redis_url, database_url=database_url) as rig:
        yield rig


async def collect(followed: Tails, project_id: str, after: int = 0, pause: float = 0) -> list[int]:
    """Follow to the end; return the numbers of all events that came."""
    seen: list[int] = []
    async with aclosing(followed.follow(project_id, after)) as batches:
        async for batch in batches:
            numbers = [int(number) for number in ID.findall(batch.messages)]
            assert not numbers or numbers[-1] == batch.reached
            seen += numbers
            await asyncio.sleep(pause)
    return seen


async def test_all_who_follow_get_everything_in_order(rig: Rig) -> None:
    """From the start and from the middle, at any pace, while the project runs."""
    project = await rig.start(plan(*(task(f"t{n}", "quick") for n in range(120))))
    counted = Counted(rig.parts.database)
    followed = Tails(counted, rig.parts.bell)
    dice = random.Random(7)
    begun = time.monotonic()
    places = [0] * 30 + [dice.randrange(120) for _ in range(30)]
    async with rig.worker():
        seen = await asyncio.gather(
            *(collect(followed, project, after, dice.choice((0, 0.03))) for after in places)
        )

    last = len(await rig.events(project))
    assert last > 480
    for after, numbers in zip(places, seen, strict=True):
        assert numbers == list(range(after + 1, last + 1))
    pages = last // tails.PAGE_EVENTS + 1
    places_asked_from = len(set(places)) * pages
    assert counted.asked <= places_asked_from + (time.monotonic() - begun) / tails.PACE_SECONDS + 60


async def test_rings_at_the_end_of_a_history_are_gathered(rig: Rig) -> None:
    project = await rig.create(plan(task("a")))
    counted = Counted(rig.parts.database)
    followed = Tails(counted, rig.parts.bell)
    async with asyncio.TaskGroup() as group, aclosing(followed.follow(project, 0)) as batches:
        others = [group.create_task(collect(followed, project)) for _ in range(20)]
        assert (await anext(batches)).reached == 2
        before, begun = counted.asked, time.monotonic()
        for _ in range(300):
            await rig.parts.bell.ring([project])
            await asyncio.sleep(0.001)
        took = time.monotonic() - begun
        assert counted.asked - before <= took / tails.PACE_SECONDS + 3
        await rig.parts.engine.run(lambda turn: rig.parts.engine.cancel(turn, "default", project))
        async for batch in batches:
            assert batch.reached <= len(await rig.events(project))
    assert len({tuple(other.result()) for other in others}) == 1


async def test_who_does_not_read_holds_up_nobody(rig: Rig) -> None:
    project = await rig.start(plan(*(task(f"t{n}", "quick") for n in range(100))))
    followed = Tails(rig.parts.database, rig.parts.bell)
    async with aclosing(followed.follow(project, 0)) as stuck:
        first = await anext(stuck)
        async with rig.worker():
            everything = await collect(followed, project)
        rest = [int(n) async for batch in stuck for n in ID.findall(batch.messages)]
    assert everything == [*(int(n) for n in ID.findall(first.messages)), *rest]


async def test_what_was_missed_without_a_ring_comes_within_a_second_or_so(rig: Rig) -> None:
    """A ring may be lost: here it reaches only a bell that nobody here hears."""
    project = await rig.create(plan(task("a")))
    async with open_rig(rig.folder, **rig.settings.model_dump(include={"database_url"})) as other:
        followed = Tails(other.parts.database, other.parts.bell)
        async with aclosing(followed.follow(project, 0)) as batches:
            assert (await anext(batches)).reached == 2
            await rig.parts.engine.run(
                lambda turn: rig.parts.engine.cancel(turn, "default", project)
            )
            async with asyncio.timeout(10):
                assert [batch.is_over async for batch in batches][-1]


async def test_a_stream_ends_with_its_project(rig: Rig) -> None:
    project = await rig.create(plan(task("a")))
    followed = Tails(rig.parts.database, rig.parts.bell)
    async with aclosing(followed.follow(project, 0)) as batches:
        await anext(batches)
        await rig.parts.engine.run(lambda turn: rig.parts.engine.delete(turn, "default", project))
        with pytest.raises(NotFound):
            async for _ in batches:
                pass


async def test_a_retried_project_is_followed_on(rig: Rig) -> None:
    """A page kept from before the retry does not end a stream at the old end."""
    project = await rig.start(plan(task("a", "broken")))
    followed = Tails(rig.parts.database, rig.parts.bell)
    async with rig.worker():
        old = await collect(followed, project)
        async with aclosing(followed.follow(project, 0)) as early:
            await anext(early)
            await rig.parts.engine.run(
                lambda turn: rig.parts.engine.retry(turn, "default", project)
            )
            new = await collect(followed, project)
    assert len(new) > len(old)
    assert new == list(range(1, len(await rig.events(project)) + 1))
