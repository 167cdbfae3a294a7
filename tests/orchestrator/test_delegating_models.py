"""A model splits its task: its parts ask at once while it holds no slot, and it reads their outputs."""

import asyncio
import json
import re
from collections import Counter
from typing import Any

from nexus.domain.budget import Budget, Limit
from tests.scripted_model import Reply, ScriptedModel, ToolCalls
from tests.support.rig import WORKSPACE, Rig, plan, task
from tests.support.waiting import until

TITLES = ("north", "south", "west")


def part(title: str, **fields: Any) -> dict[str, Any]:
    return {"title": title, "instructions": f"Describe the {title}.", **fields}


def offered(request: dict[str, Any]) -> dict[str, str]:
    """The tools a request offers, with their descriptions."""
    given = [tool["function"] for tool in request.get("tools", ())]
    return {one["name"]: one["description"] for one in given}


def told(request: dict[str, Any]) -> list[Any]:
    """What tools have answered."""
    return [json.loads(one["content"]) for one in request["messages"] if one["role"] == "tool"]


class Splitting:
    """Asks for `calls`, one a turn, then answers; parts answer when all of them have asked."""

    def __init__(self, *calls: list[dict[str, Any]]) -> None:
        self.calls = calls
        self.together = asyncio.Barrier(len(calls[-1]))
        self.parts: list[dict[str, Any]] = []
        self.parents: list[dict[str, Any]] = []

    async def __call__(self, request: dict[str, Any]) -> Reply:
        title = re.search(r'<task key="whole" title="([^"]+)"', str(request["messages"]))
        if title and title.group(1) != "whole":
            self.parts.append(request)
            await self.together.wait()
            return f"The {title.group(1)} is steep."
        self.parents.append(request)
        at = len(told(request))
        if at == len(self.calls):
            return "All sides are steep."
        return ToolCalls((("delegate", {"parts": self.calls[at]}),))


async def run(rig: Rig, concurrency: int) -> str:
    whole = task("whole", "content", instructions="Describe the island.", acceptance=["Steep?"])
    project = await rig.start(plan(whole))
    async with rig.worker(concurrency=concurrency):
        assert await rig.end(project) == "succeeded"
    return project


async def test_three_parts_ask_at_once_on_three_slots(scripted: Rig, server: ScriptedModel) -> None:
    script = Splitting([part(one) for one in TITLES])
    server.script = script
    project = await run(scripted, concurrency=3)

    assert server.max_open == 3
    assert server.calls == 5
    assert told(script.parents[1]) == [
        [
            {
                "title": one,
                "agent": "content",
                "status": "succeeded",
                "output": f"The {one} is steep.",
            }
            for one in TITLES
        ]
    ]
    assert "Agents: research, code, content, data, qa, " in offered(script.parents[0])["delegate"]
    for asked in script.parts:
        assert "delegate" not in offered(asked)
        assert "read_file" in offered(asked)
        assert "Steep?" not in str(asked["messages"])
        assert "Describe the island." not in str(asked["messages"])
    assert (await scripted.outputs(project))["whole"] == "All sides are steep."
    assert (await scripted.row(project)).requests == 5
    names = [
        one.data["name"] for one in await scripted.events(project) if one.type == "tool.called"
    ]
    assert names == ["delegate"]


async def test_parts_wait_for_the_budget_and_their_parent_with_them(
    scripted: Rig, server: ScriptedModel
) -> None:
    engine = scripted.parts.engine
    script = Splitting([part(one) for one in TITLES])
    script.together = asyncio.Barrier(1)
    server.script = script
    calls = Budget({Limit.CALLS: 3})
    project = await scripted.create(
        plan(task("whole", "content", instructions="Describe the island.")),
        auto_execute=True,
        budget=calls,
    )
    async with scripted.worker():

        async def rests() -> bool:
            return (await scripted.row(project)).status == "waiting"

        await until(rests, timeout=30)
        assert server.calls == 3
        states = Counter((one.kind, one.status) for one in await scripted.subtasks(project))
        assert states["work", "waiting"] == states["delegated", "waiting"] == 1
        more = Budget({Limit.CALLS: 5})
        await engine.run(lambda turn: engine.set_budget(turn, WORKSPACE, project, more))
        await engine.run(lambda turn: engine.resume(turn, WORKSPACE, project))
        assert await scripted.end(project) == "succeeded"
    assert server.calls == 5


async def test_what_is_wrong_with_parts_the_model_is_told(
    scripted: Rig, server: ScriptedModel
) -> None:
    script = Splitting(
        [part("north", agent="nobody")],
        [],
        [part("north", instructions="")],
        [part("north", deadline="soon")],
        [part("north", agent="research"), part("south")],
    )
    server.script = script
    project = await run(scripted, concurrency=2)

    refused = told(script.parents[-1])[:4]
    for reason, answer in zip(
        ("no agent named 'nobody'", "parts: List", "parts.0.instructions", "parts.0.deadline"),
        refused,
        strict=True,
    ):
        assert reason in answer["error"]
    assert [one["agent"] for one in told(script.parents[-1])[4]] == ["research", "content"]
    kinds = sorted(one.kind for one in await scripted.subtasks(project))
    assert kinds == ["delegated", "delegated", "work"]
