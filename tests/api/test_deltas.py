"""Words of a model on a project's event stream while it writes, from a worker through a real Redis."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from nexus.domain.deltas import DELTA, DELTA_FIELDS, Speaker
from nexus.events import hearing as ears
from nexus.events.hearing import Ear, Hearing
from nexus.events.redis_link import RedisLink
from nexus.events.speaking import Loudspeaker
from nexus.settings import Settings
from nexus.wiring import running
from tests.api.client import Client
from tests.api.test_events import STREAM, served
from tests.scripted_model import ScriptedModel
from tests.scripted_stream import Streamed
from tests.support.rig import Rig, open_rig
from tests.support.waiting import until

PIECES = ("The Adélie ", "weighs ", "4.3 kg.\n\nNo more.")


@pytest.fixture
async def rig(tmp_path: Path, redis_url: str) -> AsyncIterator[Rig]:
    async with open_rig(tmp_path, redis_url=redis_url) as rig:
        yield rig


@pytest.fixture
def settings(rig: Rig) -> Settings:
    return rig.settings


@asynccontextmanager
async def at_work(rig: Rig, model: ScriptedModel) -> AsyncIterator[Client]:
    """An API on a port, and a worker whose model follows a script."""
    async with AsyncExitStack() as opened:
        await opened.enter_async_context(model)
        _, client = await opened.enter_async_context(served(rig.settings, until))
        await opened.enter_async_context(
            rig.worker(model="openai:scripted", openai_base_url=model.base_url)
        )
        yield client


async def messages(lines: AsyncIterator[str]) -> AsyncIterator[dict[str, str]]:
    """Parse a stream into its messages: their fields by name."""
    fields: dict[str, str] = {}
    async for line in lines:
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield fields
            fields = {}


async def test_words_come_while_the_model_writes_and_leave_no_trace(rig: Rig) -> None:
    heard = asyncio.Event()

    async def until_heard(at: int) -> None:
        if at == len(PIECES) - 1:
            await heard.wait()

    model = ScriptedModel(lambda request: Streamed(PIECES, between=until_heard))
    async with at_work(rig, model) as client:
        made = await client.project()
        path = f"/projects/{made['id']}"
        deltas: list[dict[str, Any]] = []
        numbers: list[int] = []
        async with client.http.stream("GET", f"{path}/events", headers=STREAM) as stream:
            lines = messages(stream.aiter_lines())
            await until(lambda: _is_watched(rig, made["id"]))
            await client.http.post(f"{path}/execute")
            async for message in lines:
                data = json.loads(message["data"])
                assert data["type"] == message["event"]
                if message["event"] == DELTA:
                    assert "id" not in message
                    deltas.append(data)
                    heard.set()
                else:
                    numbers.append(int(message["id"]))
        assert model.requests[0]["stream"] is True
        assert numbers == list(range(1, len(numbers) + 1))
        (task,) = (await client.http.get(f"{path}/tasks")).json()["items"]
        history = (await client.http.get(f"{path}/events")).json()["items"]
    assert DELTA not in {event["type"] for event in history}
    told = [(one["project_id"], one["task_id"], one["attempt"]) for one in deltas]
    assert set(told) == {(made["id"], task["id"], 1)}
    assert all(tuple(one["data"]) == DELTA_FIELDS for one in deltas)
    text = ""
    for one in deltas:
        assert one["data"]["offset"] == len(text)
        text += one["data"]["text"]
    assert "".join(PIECES).startswith(text)
    assert text
    assert len({one["data"]["call"] for one in deltas}) == 1
    assert (await rig.outputs(made["id"]))["page"] == "".join(PIECES)


async def _is_watched(rig: Rig, project_id: str) -> bool:
    async with rig.parts.redis.using() as client:
        return any(str(name).endswith(project_id) for name in await client.pubsub_channels("*"))


async def test_who_wants_no_words_makes_no_streamed_request(rig: Rig) -> None:
    model = ScriptedModel(lambda request: Streamed(PIECES))
    async with at_work(rig, model) as client:
        made = await client.project(auto_execute=True)
        path = f"/projects/{made['id']}/events?deltas=false"
        async with client.http.stream("GET", path, headers=STREAM) as stream:
            types = [one["event"] async for one in messages(stream.aiter_lines())]
    assert types[-1] == "project.succeeded"
    assert DELTA not in types
    assert {one["stream"] for one in model.requests} == {False}


@asynccontextmanager
async def a_line(redis_url: str) -> AsyncIterator[tuple[Loudspeaker, Hearing]]:
    """A worker's end and an API's end of the line, over connections of their own."""
    near, far = RedisLink(lambda: redis_url), RedisLink(lambda: redis_url)
    speaker, hearing = Loudspeaker(near, "test"), Hearing(far, "test", lambda topic: None)
    async with running(speaker.speak()), running(hearing.listen()):
        yield speaker, hearing
    await near.close()
    await far.close()


async def test_words_are_gathered_and_reach_a_subtask_of_no_project(redis_url: str) -> None:
    about = Speaker(None, None, "sub_chat", 1)
    async with a_line(redis_url) as (line, hearing), hearing.listen_to("sub_chat") as ear:
        await until(lambda: line.is_heard(["sub_chat"]))
        assert not await line.is_heard(["sub_other"])
        begun = time.monotonic()
        for at in range(300):
            line.say(about, "call", at, "x")
            await asyncio.sleep(0.001)
        took = time.monotonic() - begun
        await until(lambda: _text(ear) == "x" * 300)
    assert ear.count <= took * 10 + 2


async def test_who_writes_too_fast_is_heard_with_gaps(redis_url: str) -> None:
    about = Speaker("prj", "tsk", "sub", 1)
    async with a_line(redis_url) as (line, hearing), hearing.listen_to("prj") as ear:
        await until(lambda: line.is_heard(["prj"]))
        for at in range(1_000):
            line.say(about, "call", at * 1_000, "y" * 1_000)
        await until(lambda: ear.count)
        line.say(about, "call", 1_000_000, "end")
        await until(lambda: ear.count > 1)
    first, second = (json.loads(one.split(b"data: ")[1])["data"] for one in ear.since(0))
    assert (first["offset"], len(first["text"])) == (0, 16_000)
    assert (second["offset"], second["text"]) == (1_000_000, "end")


def _text(ear: Ear) -> str:
    return "".join(json.loads(one.split(b"data: ")[1])["data"]["text"] for one in ear.since(0))


def test_an_ear_keeps_little_and_a_slow_reader_gets_the_newest() -> None:
    ear = Ear()
    for number in range(2_000):
        ear.take(json.dumps({"n": number, "pad": "z" * 1_000}))
    taken = ear.since(0)
    assert sum(map(len, taken)) <= ears.TAKEN_BYTES
    assert b'"n": 1999' in taken[-1]
    assert ear.since(1_999) == taken[-1:]
    assert ear.since(2_000) == []
    assert sum(map(len, ear._kept)) <= ears.KEPT_BYTES


async def test_without_redis_nobody_hears_and_nothing_waits() -> None:
    line = Loudspeaker(RedisLink(lambda: "redis://127.0.0.1:1/0"), "test")
    async with running(line.speak()):
        begun = time.monotonic()
        for _ in range(1_000):
            assert not await line.is_heard(["prj"])
            line.say(Speaker("prj", None, "sub", 1), "call", 0, "lost")
        assert time.monotonic() - begun < 1
