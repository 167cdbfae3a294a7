"""The writer thread answers every job, whatever happens to the file under it."""

import asyncio
import sqlite3
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from nexus.errors import Conflict, ServiceMissing, StatementRefused, StorageFull
from nexus.models.sqlite import SqliteWriter, connect
from nexus.models.writing import Query, Transaction
from tests.support.waiting import until

MOST_PASSED_BY: Final = 300
"""Commits of busy neighbours while one waits. With the wait of SQLite itself it is a thousand and more."""


@pytest.fixture
async def writer(tmp_path: Path) -> AsyncIterator[SqliteWriter]:
    made = SqliteWriter(tmp_path / "some.db")
    await made.run(lambda: _say("CREATE TABLE words (word TEXT UNIQUE)"))
    yield made
    await made.close()


def _say(sql: str) -> Transaction[list[object]]:
    rows = yield Query(sql)
    return [row[0] for row in rows]


def _add(word: str, *, then: Exception | None = None) -> Transaction[None]:
    yield Query("INSERT INTO words VALUES ($1)", (word,))
    if then:
        raise then


def _words() -> Transaction[list[object]]:
    return _say("SELECT word FROM words ORDER BY word")


async def test_one_that_raises_takes_nothing_of_its_neighbours_with_it(
    writer: SqliteWriter,
) -> None:
    answers = await asyncio.gather(
        writer.run(lambda: _add("a")),
        writer.run(lambda: _add("b", then=Conflict("not this one"))),
        writer.run(lambda: _add("a")),
        writer.run(lambda: _add("c")),
        return_exceptions=True,
    )

    assert [type(answer) for answer in answers] == [
        type(None),
        Conflict,
        StatementRefused,
        type(None),
    ]
    assert await writer.run(_words) == ["a", "c"]


async def test_a_statement_that_is_wrong_is_no_outage(writer: SqliteWriter) -> None:
    with pytest.raises(StatementRefused):
        await writer.run(lambda: _say("SELECT nothing FROM nowhere"))


async def test_a_file_that_cannot_be_opened_is_said_and_tried_again(tmp_path: Path) -> None:
    place = tmp_path / "taken"
    place.mkdir()
    writer = SqliteWriter(place)
    try:
        async with asyncio.timeout(10):
            with pytest.raises(ServiceMissing):
                await writer.run(lambda: _say("SELECT 1"))
            place.rmdir()
            assert await writer.run(lambda: _say("SELECT 1")) == [1]
    finally:
        await writer.close()


async def test_nobody_waits_for_a_closed_writer(tmp_path: Path) -> None:
    writer = SqliteWriter(tmp_path / "some.db")
    accepted = [asyncio.create_task(writer.run(lambda: _say("SELECT 1"))) for _ in range(50)]
    async with asyncio.timeout(10):
        closing = asyncio.create_task(writer.close())
        answers = await asyncio.gather(*accepted, return_exceptions=True)
        await closing
        with pytest.raises(ServiceMissing):
            await writer.run(lambda: _say("SELECT 1"))

    assert all(answer == [1] or isinstance(answer, ServiceMissing) for answer in answers)


async def test_a_full_disk_fails_one_transaction_and_not_the_writer(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    with_limit = connect(path)
    with_limit.execute("CREATE TABLE words (word TEXT UNIQUE)")
    with_limit.close()
    writer = SqliteWriter(path)
    try:
        await writer.run(lambda: _say("PRAGMA max_page_count=20"))
        answers = await asyncio.gather(
            writer.run(lambda: _add("small")),
            writer.run(lambda: _add("big" * 100_000)),
            writer.run(lambda: _add("tiny")),
            return_exceptions=True,
        )
        assert [type(one) for one in answers] == [type(None), StorageFull, type(None)]
        assert await writer.run(_words) == ["small", "tiny"]
    finally:
        await writer.close()


async def test_writers_of_two_processes_wait_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    first, second = SqliteWriter(path), SqliteWriter(path)
    try:
        await first.run(lambda: _say("CREATE TABLE words (word TEXT UNIQUE)"))
        await asyncio.gather(
            *(
                writer.run(partial(_add, f"{name}{at}"))
                for at in range(100)
                for name, writer in (("a", first), ("b", second))
            )
        )
        assert len(await first.run(_words)) == 200
    finally:
        await first.close()
        await second.close()


async def test_a_lease_is_renewed_between_writers_that_never_rest(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    commits, stop = Counter[str](), threading.Event()

    def hammer(name: str) -> None:
        connection = connect(path)
        while not stop.is_set():
            with suppress(sqlite3.OperationalError):
                connection.execute("BEGIN IMMEDIATE")
                stop.wait(0.004)
                connection.execute("COMMIT")
                commits[name] += 1
            stop.wait(0.0005)
        connection.close()

    writer = SqliteWriter(path)
    await writer.run(lambda: _say("CREATE TABLE words (word TEXT UNIQUE)"))
    async with asyncio.TaskGroup() as hammering:
        for name in ("a", "b", "c"):
            hammering.create_task(asyncio.to_thread(hammer, name))
        waited: list[int] = []
        try:
            await until(lambda: commits.total() > 10)
            for word in range(60):
                before = commits.total()
                await writer.run(partial(_add, f"{word}"))
                waited.append(commits.total() - before)
        finally:
            stop.set()
    await writer.close()

    assert commits.total() > 60
    assert max(waited) < MOST_PASSED_BY
