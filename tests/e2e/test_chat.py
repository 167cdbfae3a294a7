"""Speaking to an agent over a socket: what comes while it thinks, and what stays after a hang-up."""

import asyncio
import json
from typing import Any

from tests.e2e.api import Api
from tests.scripted_model import Reply, ScriptedModel
from tests.scripted_stream import Streamed
from tests.support.valkey import command
from tests.support.waiting import until


async def test_who_hangs_up_finds_the_answer_later(api: Api, model_port: int) -> None:
    gate = asyncio.Event()

    async def script(request: dict[str, Any]) -> Reply:
        await gate.wait()
        return "Here it is."

    async with ScriptedModel(script, port=model_port) as model:
        headers, body = {"Accept": "text/event-stream"}, {"message": "Think, then say it."}
        path = "/agents/content/chat"
        async with api.http.stream("POST", path, json=body, headers=headers) as answer:
            lines = answer.aiter_lines()
            assert await anext(lines) == "event: message.started"
            begun = json.loads((await anext(lines)).removeprefix("data: "))
            await model.wait_for_calls(1)
        gate.set()
        place = f"{path}/{begun['conversation_id']}"

        async def is_answered() -> bool:
            [exchange] = (await api.get(place))["messages"]
            assert exchange["subtask_id"] == begun["subtask_id"]
            return bool(exchange["status"] == "succeeded" and exchange["answer"] == "Here it is.")

        await until(is_answered)
    assert model.calls == 1


async def test_words_come_while_the_model_writes_them(
    api: Api, model_port: int, e2e_redis: int
) -> None:
    pieces = ("An Adelie ", "weighs ", "3.7 kg.", "")
    heard: dict[int, str] = {}

    def is_listened_to() -> bool:
        return b":words:sub_" in command(e2e_redis, "PUBSUB", "CHANNELS", "*:words:sub_*")

    async def between(at: int) -> None:
        await until(lambda: "".join(heard.values()) == "".join(pieces[:at]), timeout=20)

    async def script(request: dict[str, Any]) -> Reply:
        await until(is_listened_to)
        return Streamed(pieces, between)

    headers = {"Accept": "text/event-stream"}
    # A model of its own: what another test let its streams come to is remembered of that one.
    body = {"message": "What does it weigh?", "model": "openai:fluent"}
    async with (
        ScriptedModel(script, port=model_port),
        api.http.stream("POST", "/agents/content/chat", json=body, headers=headers) as answer,
    ):
        name = ""
        async for line in answer.aiter_lines():
            name = line.removeprefix("event: ") if line.startswith("event: ") else name
            if not line.startswith("data: "):
                continue
            data = json.loads(line.removeprefix("data: "))
            if name == "model.delta":
                assert (data["project_id"], data["attempt"]) in ((None, 1), ("", 1))
                heard[data["data"]["offset"]] = data["data"]["text"]
    assert name == "message.answered"
    assert data["answer"] == "".join(text for _, text in sorted(heard.items()))
    assert len(heard) == 3
