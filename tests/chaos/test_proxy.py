"""The proxy does what its faults are named after."""

from collections.abc import AsyncIterator
from time import monotonic

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Lost

from tests.chaos.proxy import Proxy


@pytest.fixture
async def proxy(redis_url: str, valkey_port: int) -> AsyncIterator[Proxy]:
    async with Proxy(valkey_port) as started:
        yield started


@pytest.fixture
async def client(proxy: Proxy) -> AsyncIterator[Redis]:
    client = Redis(port=proxy.port, retry=Retry(NoBackoff(), 0))
    yield client
    await client.aclose()


async def test_it_passes_on_and_delays(proxy: Proxy, client: Redis) -> None:
    assert await client.incr("n") == 1
    proxy.latency_seconds = 0.05
    began = monotonic()
    assert await client.incr("n") == 2
    assert monotonic() - began >= 0.1


async def test_a_lost_answer_is_of_something_done(proxy: Proxy, client: Redis) -> None:
    proxy.lose_answers(lambda data: b"INCR" in data)
    with pytest.raises(Lost):
        await client.incr("n")
    proxy.lose_answers(None)
    assert await client.get("n") == b"1"
    assert proxy.lost == 1


async def test_cut_and_down(proxy: Proxy, client: Redis) -> None:
    assert await client.ping()
    proxy.is_down = True
    proxy.cut()
    with pytest.raises(Lost):
        await client.ping()
    proxy.is_down = False
    assert await client.ping()
