"""A model as small as they come: half a billion parameters behind llama-cpp-python, 4,096 tokens.

The server behaves as such a one was seen to: tool calls come as text or not at all, `json_schema`
is a 500, `json_object` with a schema is obeyed, and what is too long is a 400.
"""

import json
from typing import Any, Final

from tests.e2e.api import Api
from tests.scripted_model import Reply, ScriptedModel, Text, error

WINDOW_TOKENS: Final = 4_096
MODEL: Final = "openai:small"
PLAN: Final = {
    "tasks": [
        {"key": "birds", "title": "Birds", "agent": "Research", "instructions": "Find birds."},
        {"key": "fish", "title": "Fish", "agent": "research", "instructions": "Find fish."},
        {
            "key": "both",
            "title": "Both",
            "agent": "content agent",
            "instructions": "Write of both.",
            "depends_on": ["Birds", "fish"],
            "acceptance": [],
        },
    ]
}


def small(request: dict[str, Any]) -> Reply:
    """Answer as the small model does."""
    messages = request["messages"]
    if len(json.dumps([messages, request.get("tools")])) > 4 * WINDOW_TOKENS:
        return error(400, f"This model's maximum context length is {WINDOW_TOKENS} tokens")
    form = request.get("response_format", {}).get("type")
    if form == "json_schema":
        return error(500, "Input should be 'text' or 'json_object'")
    if messages[0]["content"].startswith("You are the manager agent"):
        return Text(json.dumps(PLAN)) if form else Text('submit_plan(goal="birds and fish")')
    if request.get("tools") and messages[-1]["role"] == "user":
        call = {"name": "list_files", "arguments": {"path": "."}}
        return Text(f"<tool_call>{json.dumps(call)}</tool_call>")
    return Text("Birds fly and fish swim.", delay_seconds=0.05)


async def test_a_project_of_three_tasks_succeeds(api: Api, model_port: int) -> None:
    async with ScriptedModel(small, port=model_port) as model:
        project = await api.start("Write of birds and fish", model=MODEL)
        ended = await api.end(project)
    assert (ended["status"], ended["error"]) == ("succeeded", None)
    planned = next(one for one in await api.events(project) if one["type"] == "project.planned")
    assert planned["data"] == {"plan_version": 1, "tasks": 3, "safe": None, "error": None}
    tasks = (await api.get(f"/projects/{project}/tasks"))["items"]
    assert {task["output"] for task in tasks} == {"Birds fly and fish swim."}
    called = [one for one in await api.events(project) if one["type"] == "tool.called"]
    assert {one["data"]["name"] for one in called} == {"list_files"}
    assert model.calls <= 3 + 2 * 3


async def test_a_goal_that_fills_the_window_ends_readably(api: Api, model_port: int) -> None:
    goal = "Write of birds and fish. " * 790
    async with ScriptedModel(small, port=model_port):
        project = await api.start(goal, model=MODEL)
        ended = await api.end(project)
    assert "project.planned" in [one["type"] for one in await api.events(project)]
    if ended["status"] == "failed":
        assert "more text than it can take" in ended["error"]["message"]
        assert ended["error"]["hint"]
