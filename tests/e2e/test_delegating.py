"""What is seen of delegated parts over HTTP: while they are awaited, and when they are over."""

import asyncio
from typing import Any

from tests.e2e.api import Api, plan, task
from tests.scripted_model import Reply, ScriptedModel, ToolCalls

PARTS = [{"title": title, "instructions": f"Describe the {title}."} for title in ("cape", "bay")]


async def test_parts_are_listed_with_their_parent_and_said_to_be_awaited(
    api: Api, model_port: int
) -> None:
    gate = asyncio.Event()
    asked: list[str] = []

    async def script(request: dict[str, Any]) -> Reply:
        text = str(request["messages"])
        if 'title="cape"' in text or 'title="bay"' in text:
            asked.append(text)
            await gate.wait()
            return "It is wide."
        if any(one["role"] == "tool" for one in request["messages"]):
            return "Cape and bay are wide."
        return ToolCalls((("delegate", {"parts": PARTS}),))

    async with ScriptedModel(script, port=model_port) as model:
        project = await api.start("Chart the coast", plan=plan(task("coast")))
        await model.wait_for_calls(3)
        (reason,) = (await api.get(f"/projects/{project}/diagnosis"))["items"][0]["reasons"]
        shown = (await api.tasks(project))["coast"]
        gate.set()
        assert (await api.end(project))["status"] == "succeeded"
        subtasks = (await api.get(f"/tasks/{shown['id']}/subtasks"))["items"]

    assert shown["status"] == "waiting"
    parts = [one for one in subtasks if one["kind"] == "delegated"]
    (parent,) = [one for one in subtasks if one["kind"] == "work"]
    assert parent["parent_id"] is None
    assert [one["parent_id"] for one in parts] == [parent["id"]] * 2
    assert reason["code"] == "parts"
    assert reason["text"].startswith("waits for 2 delegated parts: ")
    assert all(one["id"] in reason["text"] for one in parts)
    told = [one for one in await api.events(project) if one["type"] == "subtask.delegated"]
    assert [[one["title"] for one in event["data"]["parts"]] for event in told] == [["cape", "bay"]]
