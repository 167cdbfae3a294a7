"""Plans written by a model: by tool call, as JSON, fenced, and mended after garbage."""

import json
from typing import Any

import pytest

from tests.e2e.api import Api, plan, task
from tests.scripted_model import Reply, ScriptedModel, ToolCalls

GOAL = "Write a guide to the harbour of Nowhere"
WRITTEN = plan(task("look", agent="research"), task("write", "look", acceptance=["Has a map"]))
AS_JSON = json.dumps(WRITTEN)
WRONG = json.dumps(plan(task("look", agent="nobody"), task("write", "lost")))

CALLED = ToolCalls((("submit_plan", WRITTEN),))
WAYS: dict[str, list[Reply]] = {
    "tool call": [CALLED],
    "plain JSON": [AS_JSON],
    "fenced JSON": [f"Here is my plan:\n\n```json\n{AS_JSON}\n```\nGood luck!"],
    "two fences": [f"```json\n{{}}\n```\nNo, this:\n```json\n{AS_JSON}\n```"],
    "prose with braces": [f"<think>{{a}}</think>Given {{the goal}}, I plan: {AS_JSON} {{done}}"],
    "phases as text": [ToolCalls((("submit_plan", {"phases": json.dumps(WRITTEN["phases"])}),))],
    "text no database holds": [AS_JSON.replace("Only", "\\u0000\\ud800Only")],
    "broken JSON, then whole": [AS_JSON[:-1] + ",}", AS_JSON],
    "garbage, then JSON": ["I would rather talk about the sea.", AS_JSON],
    "a plan that cannot run, then a tool call": [WRONG, CALLED],
    "broken arguments, then a tool call": [
        ToolCalls((("submit_plan", '{"phases": [{"key": '),)),
        CALLED,
    ],
    "an unknown tool, then a tool call": [ToolCalls((("make_plan", WRITTEN),)), CALLED],
    "a server that fails once": ["", CALLED],
}


def is_planning(request: dict[str, Any]) -> bool:
    """Tell whether a request is the manager's."""
    return str(request["messages"][0]["content"]).startswith("You are the manager agent")


@pytest.mark.parametrize("way", WAYS)
async def test_a_plan_is_taken_however_the_model_hands_it_over(
    api: Api, model_port: int, way: str
) -> None:
    replies = iter(WAYS[way])

    def script(request: dict[str, Any]) -> Reply:
        return next(replies) if is_planning(request) else "Some work."

    async with ScriptedModel(script, port=model_port) as model:
        # A name of its own: what one server was found to take is remembered by it.
        project = await api.start(GOAL, model=f"openai:{way.replace(',', '')}")
        ended = await api.end(project)
    assert (ended["status"], ended["error"]) == ("succeeded", None)
    planning = [one for one in model.requests if is_planning(one)]
    assert len(planning) == len(WAYS[way])
    first = json.dumps(planning[0]["messages"])
    assert GOAL in first
    assert "research" in first
    shown = await api.get(f"/projects/{project}/plan")
    tasks = [one for phase in shown["plan"]["phases"] for one in phase["tasks"]]
    assert [(one["key"], one["depends_on"]) for one in tasks] == [("look", []), ("write", ["look"])]
    assert tasks[1]["acceptance"] == ["Has a map"]
    assert tasks[0]["acceptance"], "criteria are filled in where the model left them out"
    assert shown["estimate"]["calls"] == 6
    assert shown["estimate"]["cost_usd"] is None, "nobody knows what this model costs"


async def test_what_is_wrong_with_a_plan_is_told_to_the_model(api: Api, model_port: int) -> None:
    replies = iter([WRONG, AS_JSON])

    def script(request: dict[str, Any]) -> Reply:
        return next(replies) if is_planning(request) else "Some work."

    async with ScriptedModel(script, port=model_port) as model:
        assert (await api.end(await api.start(GOAL)))["status"] == "succeeded"
    told = json.dumps(model.requests[1]["messages"])
    assert "unknown agent; known: " in told
    assert "unknown task key 'lost'" in told
