"""A module named by NEXUS_PLUGINS, a file beside `.env`: its agents and tools over HTTP."""

import json
from pathlib import Path
from typing import Any

from tests.e2e.api import Api, plan, task
from tests.scripted_model import Reply, ScriptedModel, ToolCalls


async def test_a_plain_python_agent_takes_its_step_once(api: Api, tmp_path: Path) -> None:
    file = tmp_path / "count"
    first = task("first", agent="counter", instructions=str(file))
    then = task("then", "first", agent="counter", instructions=str(tmp_path / "other"))
    project = await api.start("Count", plan=plan(first, then))
    assert (await api.end(project))["status"] == "succeeded"
    tasks = await api.tasks(project)
    assert file.read_text() == "1"
    assert tasks["first"]["attempt"] == 2
    [phase] = (await api.get(f"/projects/{project}/progress"))["phases"]
    assert [one["attempt"] for one in phase["tasks"]] == [2, 2]
    assert tasks["first"]["output"] == "Count | first | [] | ran 1"
    assert tasks["then"]["output"] == (
        "Count | then | [('first', 'Count | first | [] | ran 1')] | ran 1"
    )


async def test_a_tool_of_ones_own_is_offered_called_and_journalled(
    api: Api, model_port: int
) -> None:
    def script(request: dict[str, Any]) -> Reply:
        if request["messages"][-1]["role"] == "tool":
            return f"It said {request['messages'][-1]['content']}"
        return ToolCalls((("shout", {"words": "ahoy"}),))

    async with ScriptedModel(script, port=model_port) as model:
        project = await api.start("Shout", plan=plan(task("call", agent="loud")))
        assert (await api.end(project))["status"] == "succeeded"
    offered = [one["function"] for one in model.requests[0]["tools"]]
    assert [(one["name"], one["description"]) for one in offered] == [
        ("shout", "Say words loudly.")
    ]
    done = (await api.tasks(project))["call"]
    assert "AHOY" in done["output"]
    [subtask] = (await api.get(f"/tasks/{done['id']}/subtasks"))["items"]
    journal = (await api.get(f"/subtasks/{subtask['id']}/journal"))["items"]
    assert [(one["kind"], one["status"]) for one in journal] == [
        ("model", "recorded"),
        ("tool", "recorded"),
        ("model", "recorded"),
    ]
    assert journal[1]["result"] == "AHOY"
    assert "tool.called" in [one["type"] for one in await api.events(project)]


async def test_own_agents_are_listed_and_offered_to_the_manager(api: Api, model_port: int) -> None:
    assert (await api.get("/agents/counter"))["builtin"] is False
    wanted = plan(task("only", agent="counter", instructions="/dev/null"))

    async with ScriptedModel(lambda _: json.dumps(wanted), port=model_port) as model:
        project = await api.start("Anything", auto_execute=False)
        async for event in api.listen(project, 0):
            if event["type"] == "project.planned":
                break
    assert "counter: Counts in a file how often its step really ran" in model.prompt()


async def test_a_declared_agent_works_and_is_offered_to_the_manager(
    api: Api, model_port: int
) -> None:
    declared = {
        "name": "poet",
        "description": "Writes poems about anything.",
        "prompt": "Write in verse.",
        "tools": ["read_file"],
        "limits": {"max_model_calls": 4},
    }
    made = await api.http.post("/agents", json=declared)
    assert made.status_code == 201, made.text
    wanted = plan(task("ode", agent="poet", instructions="An ode to tea"))

    def script(request: dict[str, Any]) -> Reply:
        is_poet = "Write in verse." in request["messages"][0]["content"]
        return "Tea, thou art warm." if is_poet else json.dumps(wanted)

    async with ScriptedModel(script, port=model_port) as model:
        project = await api.start("An ode")
        assert (await api.end(project))["status"] == "succeeded"
    assert "poet: Writes poems about anything." in model.prompt(0)
    assert "You are the poet agent of Nexus." in model.requests[-1]["messages"][0]["content"]
    assert [one["function"]["name"] for one in model.requests[-1]["tools"]] == ["read_file"]
    assert (await api.tasks(project))["ode"]["output"] == "Tea, thou art warm."

    assert (await api.http.delete("/agents/poet")).status_code == 204
    gone = await api.http.post("/projects", json={"goal": "Another", "plan": wanted})
    assert gone.status_code == 422
