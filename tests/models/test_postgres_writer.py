"""Locks travel with the beginning of a transaction, whatever they name."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from nexus.errors import Conflict, StatementRefused
from nexus.models.postgres import PostgresWriter
from nexus.models.writing import Lock, Query, Transaction

AWKWARD = ["it's", "a\\b", '"quoted", {braces}', "'); DROP TABLE words; --", "ü\u2028 $1", "", "\n"]


@pytest.fixture
async def writer(postgres_url: str) -> AsyncIterator[PostgresWriter]:
    made = PostgresWriter(postgres_url, pool_size=1)
    await made.open()
    await made.run(lambda: say("CREATE TABLE words (word TEXT PRIMARY KEY)"))
    yield made
    await made.close()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """List what goes to the server, a text for each round trip."""
    texts: list[str] = []
    execute, fetch = asyncpg.Connection.execute, asyncpg.Connection.fetch

    async def hear_execute(self: Any, query: str, *values: Any, **given: Any) -> Any:
        if query != "DISCARD PLANS":  # it comes by the clock
            texts.append(query)
        return await execute(self, query, *values, **given)

    async def hear_fetch(self: Any, query: str, *values: Any, **given: Any) -> Any:
        texts.append(query)
        return await fetch(self, query, *values, **given)

    monkeypatch.setattr(asyncpg.Connection, "execute", hear_execute)
    monkeypatch.setattr(asyncpg.Connection, "fetch", hear_fetch)
    return texts


def say(sql: str) -> Transaction[list[object]]:
    rows = yield Query(sql)
    return [row[0] for row in rows]


def add(words: list[str], *, then: Exception | None = None) -> Transaction[None]:
    yield Lock("SELECT word FROM words WHERE word IN EACH($1) FOR UPDATE", (words,))
    yield Query("INSERT INTO words SELECT word FROM EACH OF $1 (word TEXT) AS j", (rows(words),))
    if then:
        raise then


def rows(words: list[str]) -> list[tuple[str]]:
    return [(word,) for word in words]


def name(words: list[str]) -> Transaction[None]:
    """Write down what the server understands a lock to name."""
    yield Lock("INSERT INTO named SELECT word FROM words WHERE word IN EACH($1)", (words,))
    yield Query("SELECT 1")


def idle() -> Transaction[None]:
    yield Lock("SELECT word FROM words WHERE word IN EACH($1) FOR UPDATE", (["a"],))


ALL = "SELECT word FROM words ORDER BY word"


async def test_a_lock_takes_no_round_trip_of_its_own(
    writer: PostgresWriter, sent: list[str]
) -> None:
    await writer.run(lambda: add(["a"]))
    sent.clear()

    await writer.run(lambda: add(["b"]))

    assert [text.split()[0] for text in sent] == ["BEGIN;", "INSERT", "COMMIT"]
    assert await writer.run(lambda: say(ALL)) == ["a", "b"]


async def test_it_names_what_it_named_whatever_that_says(writer: PostgresWriter) -> None:
    await writer.run(lambda: add(AWKWARD))
    await writer.run(lambda: say("CREATE TABLE named (word TEXT)"))

    await writer.run(lambda: name(AWKWARD))

    assert set(await writer.run(lambda: say("SELECT word FROM named"))) == set(AWKWARD)


async def test_the_connection_serves_on_after_what_was_refused(writer: PostgresWriter) -> None:
    await writer.run(lambda: add(["a"]))
    with pytest.raises(StatementRefused):
        await writer.run(lambda: add(["b", "a"]))
    with pytest.raises(StatementRefused):
        await writer.run(lambda: add(["b\0"]))
    with pytest.raises(Conflict):
        await writer.run(lambda: add(["b"], then=Conflict("not this one")))

    await writer.run(lambda: add(["c"]))
    assert await writer.run(lambda: say(ALL)) == ["a", "c"]


async def test_a_transaction_of_locks_alone_never_begins(
    writer: PostgresWriter, sent: list[str]
) -> None:
    await writer.run(idle)
    assert [text.split()[0] for text in sent] == ["PREPARE"]
