"""Speaking to an agent over a socket: what comes while it thinks, and what stays after a hang-up."""

import asyncio
import json
from typing import Any

from tests.e2e.api import Api
from tests.scripted_model import Reply, ScriptedModel
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
