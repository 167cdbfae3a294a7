"""A worker outlives what agents, Redis and the database do to it, or ends loudly."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import TimeoutError as RedisTimeoutError

from nexus.errors import ServiceMissing
from nexus.events.redis_link import RedisLink
from nexus.models.writing import Query, Transaction
from nexus.worker import work
from tests.support.rig import Rig, open_rig, plan, task
from tests.support.valkey import command
from tests.support.waiting import until


@pytest.fixture
async def here(tmp_path: Path, redis_url: str) -> AsyncIterator[Rig]:
    async with open_rig(tmp_path, redis_url=redis_url) as opened:
        yield opened


def _write(sql: str) -> Transaction[list[Any]]:
    return [row[0] for row in (yield Query(sql))]


async def test_agents_that_leave_are_cancelled_or_never_end_fail_alone(here: Rig) -> None:
    project = await here.start(
        plan(
            task("leaver", "leaver", max_attempts=1),
            task("forsaken", "forsaken", max_attempts=1),
            task("endless", "endless", max_attempts=1),
            task("grouped", "grouped", max_attempts=3),
            task("fine", "quick"),
        )
    )
    async with here.worker():
        assert await here.end(project) == "failed"

    found = await here.tasks(project)
    assert {key: row.status for key, row in found.items()} == {
        "leaver": "failed",
        "forsaken": "failed",
        "endless": "failed",
        "grouped": "failed",
        "fine": "succeeded",
    }
    assert found["endless"].error["code"] == "output_too_large"
    assert found["grouped"].error["message"] == "it cannot be done"
    assert "SystemExit" in found["leaver"].error["message"]
    assert "nobody cancelled" in found["forsaken"].error["message"]


async def test_a_worker_that_was_forgotten_joins_again(here: Rig) -> None:
    async with here.worker():
        count = "SELECT count(*) FROM workers WHERE lease_until > NOW_US()"

        async def is_there() -> bool:
            return await here.parts.database.run(lambda: _write(count)) == [1]

        await until(is_there)
        await here.parts.database.run(lambda: _write("DELETE FROM workers"))
        await until(is_there)
        project = await here.start(plan(task("one", "quick")))
        assert await here.end(project) == "succeeded"


async def test_without_its_pulse_a_worker_ends_loudly(
    here: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks(engine: object, worker_id: str) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("nexus.orchestrator.pulse.reconcile", breaks)
    with pytest.raises(BaseExceptionGroup, match="unhandled errors"):
        async with asyncio.timeout(20):
            await work(here.settings, here.parts, asyncio.Event())


async def test_many_tasks_share_one_connection_to_redis(redis_url: str) -> None:
    link = RedisLink(lambda: redis_url)

    async def ask() -> int:
        async with link.using() as client:
            return id(client)

    assert len(set(await asyncio.gather(*(ask() for _ in range(30))))) == 1
    await link.close()


async def test_an_address_that_is_none_is_a_missing_redis() -> None:
    link = RedisLink(lambda: "not an address")
    assert not await link.is_up()
    await link.close()


async def test_a_late_error_of_the_old_client_leaves_the_new_one_alone(
    redis_url: str, valkey_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexus.events.redis_link.PAUSE_SECONDS", 0.0)
    link = RedisLink(lambda: redis_url)
    broken = asyncio.Event()

    async def fails_late() -> None:
        async with link.using():
            await broken.wait()
            raise ConnectionError("only now")

    late = asyncio.create_task(fails_late())
    with pytest.raises(ServiceMissing):
        async with link.using() as first:
            await first.ping()
            raise ConnectionError("cut")
    async with link.using() as second:
        broken.set()
        with pytest.raises(ServiceMissing):
            await late
        assert await second.ping()
        assert link.is_current(second)
    await link.close()
    assert command(valkey_port, "PING").startswith(b"+PONG")


async def test_one_slot_takes_one_message_though_both_streams_have_some(here: Rig) -> None:
    await here.create(None)
    await here.start(plan(task("work", "quick")))
    queue = here.parts.queue
    await queue.read("wrk_x", 1)  # makes the group
    assert len(await queue.read("wrk_x", 1)) == 1
    assert await queue.backlog() == 2


async def test_busy_workers_do_not_make_the_queue_grow(here: Rig, tmp_path: Path) -> None:
    options = f'{{"folder": "{tmp_path}"}}'
    project = await here.start(
        plan(*(task(f"t{n}", "gate", instructions=options) for n in range(4)))
    )
    async with here.worker(concurrency=1):
        await until(lambda: list(tmp_path.glob("*.begun")))
        old = "UPDATE subtasks SET announced_at = 1 WHERE announced_at IS NOT NULL RETURNING id"
        assert len(await here.parts.database.run(lambda: _write(old))) == 3
        seen = await here.parts.database.run(lambda: _write("SELECT heartbeat_at FROM workers"))

        async def has_beaten() -> bool:
            now = await here.parts.database.run(lambda: _write("SELECT heartbeat_at FROM workers"))
            return int(now[0]) > int(seen[0]) + 1_000_000

        await until(has_beaten)
        assert await here.parts.queue.backlog() == 3
        for n in range(4):
            (tmp_path / f"t{n}.open").write_text("")
        assert await here.end(project) == "succeeded"


async def test_a_connection_that_will_not_close_is_let_go(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over TLS, a Redis that hangs does not answer the goodbye either."""

    close = Redis.aclose

    async def hang(client: Redis) -> None:
        await close(client)
        raise RedisTimeoutError("no goodbye came")

    monkeypatch.setattr(Redis, "aclose", hang)
    link = RedisLink(lambda: redis_url)
    with pytest.raises(ServiceMissing):
        async with link.using():
            raise RedisTimeoutError("no answer came")
    await link.close()
