"""The parts tests stand on: real services start clean, and nothing is left behind unseen."""

import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from tests.support import processes
from tests.support.places import ROOT

Until = Callable[..., Awaitable[Any]]


@pytest.mark.parametrize("turn", [1, 2])
async def test_each_test_gets_an_empty_redis(redis_url: str, turn: int) -> None:
    client = Redis.from_url(redis_url)
    assert await client.dbsize() == 0
    await client.set("turn", turn)
    await client.aclose()


@pytest.mark.parametrize("turn", [1, 2])
async def test_each_test_gets_an_empty_postgresql(postgres_url: str, turn: int) -> None:
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("CREATE TABLE turns (turn integer)")
    assert await connection.fetchval("SELECT count(*) FROM turns") == 0
    await connection.close()


def test_a_database_of_each_kind_is_offered(database_url: str) -> None:
    assert database_url.startswith(("sqlite:///", "postgresql://"))


async def test_until_returns_what_the_condition_found(until: Until) -> None:
    answers = iter([0, 0, 7])
    assert await until(lambda: next(answers)) == 7


async def test_until_gives_up_by_failing(until: Until) -> None:
    with pytest.raises(AssertionError, match="still not true"):
        await until(lambda: False, 0.05)


def test_a_process_left_behind_is_seen() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    )
    try:
        assert child.pid in {found.pid for found in processes.leftovers()}
    finally:
        child.communicate()
    assert child.pid not in {found.pid for found in processes.leftovers()}


def test_the_tests_work_away_from_the_clone_s_own_files(work_folder: object) -> None:
    assert work_folder != ROOT
