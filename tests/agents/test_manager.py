"""The ManagerAgent over a scripted model."""

import json
from typing import Any

import pytest

from nexus.agents.roster import roster
from nexus.domain.plan import Plan
from nexus.domain.planned import read_planned
from nexus.llm.book import ModelBook
from tests.agents.fakes import DictSeam, brief, context
from tests.scripted_model import PLAN, Reply, ScriptedModel, Text, ToolCalls, error

CYCLE = {
    "phases": [
        {
            "key": "p",
            "title": "P",
            "tasks": [
                {"key": "a", "title": "A", "agent": "research", "depends_on": ["b"]},
                {"key": "b", "title": "B", "agent": "research", "depends_on": ["a"]},
            ],
        }
    ]
}


async def plan(book: ModelBook, seam: DictSeam | None = None) -> Plan:
    text = await roster()["manager"].run(brief(), context(book, seam))
    return Plan.model_validate_json(text)


@pytest.mark.parametrize(
    "reply",
    [
        ToolCalls((("submit_plan", PLAN),)),
        Text(json.dumps(PLAN)),
        Text(f"Here is the plan:\n```json\n{json.dumps(PLAN, indent=1)}\n```\nGood luck!"),
        Text(f"Sure. {json.dumps(PLAN)}"),
        Text(json.dumps({"name": "submit_plan", "arguments": PLAN})),
        Text(json.dumps({"name": "submit_plan", "arguments": json.dumps(PLAN)})),
        ToolCalls((("submit_plan", {"plan": {**PLAN, "execution": None, "note": "x"}}),)),
    ],
    ids=["tool", "json", "fenced", "prose", "call as text", "call with text", "wrapped"],
)
async def test_a_plan_takes_one_call(reply: Reply, server: ScriptedModel, book: ModelBook) -> None:
    server.script = lambda request: reply
    made = await plan(book)
    assert [task.key for _, _, task in made.tasks()] == ["look", "write"]
    assert server.calls == 1


async def test_the_model_sees_one_tool_and_the_agents(
    server: ScriptedModel, book: ModelBook
) -> None:
    server.script = lambda request: ToolCalls((("submit_plan", PLAN),))
    await plan(book)
    (tool,) = server.requests[0]["tools"]
    assert tool["function"]["name"] == "submit_plan"
    assert set(tool["function"]["parameters"]["properties"]) == {"execution", "phases"}
    assert "$ref" not in json.dumps(tool)
    assert server.requests[0]["messages"][0]["content"].startswith("You are the manager agent")
    assert "<goal>\nCompare penguins\n</goal>\n<agents>\n- research: " in server.prompt()
    assert "- manager:" not in server.prompt()


async def test_the_model_is_told_the_tools_and_the_budget(
    server: ScriptedModel, book: ModelBook
) -> None:
    server.script = lambda request: ToolCalls((("submit_plan", PLAN),))
    given = brief(budget={"max_cost_usd": "0.05", "max_calls": 12})
    await roster()["manager"].run(given, context(book))
    assert "<budget>\n- max_cost_usd: 0.05\n- max_calls: 12\n</budget>" in server.prompt()
    assert "Tools: run_python, read_file" in server.prompt()


@pytest.mark.parametrize("as_text", [True, False])
async def test_a_plan_that_cannot_run_is_repaired(
    as_text: bool, server: ScriptedModel, book: ModelBook
) -> None:
    def script(request: dict[str, Any]) -> Reply:
        given = CYCLE if server.calls == 1 else PLAN
        return Text(json.dumps(given)) if as_text else ToolCalls((("submit_plan", given),))

    server.script = script
    await plan(book)
    assert server.calls == 2
    assert "dependency cycle: a -> b -> a" in server.prompt()
    roles = [message["role"] for message in server.requests[-1]["messages"]]
    assert roles[0] == "system"
    assert "system" not in roles[1:]


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (ToolCalls((("submit_plan", CYCLE),)), "dependency cycle"),
        (ToolCalls((("submit_plan", "{not json"),)), "cannot be read"),
        (ToolCalls((("other_tool", {}),)), "no tool 'other_tool'"),
        (Text("I would rather not."), "No JSON was found"),
        (Text(""), "empty"),
        (Text("{}"), "phases: Field required"),
    ],
)
async def test_after_two_repairs_a_safe_plan_is_made(
    reply: Reply, said: str, server: ScriptedModel, book: ModelBook
) -> None:
    server.script = lambda request: reply
    planned = read_planned(await roster()["manager"].run(brief(), context(book)))
    assert server.calls == 3
    assert said in (planned.safe or "")
    tasks = [task for _, _, task in planned.plan.tasks()]
    assert [task.agent for task in tasks] == ["research", "content"]
    assert all("Compare penguins" in task.instructions and task.acceptance for task in tasks)
    for request in server.requests:
        assert [one["role"] for one in request["messages"]] == ["system", "user"]


async def test_a_chain_can_plan(server: ScriptedModel, book: ModelBook) -> None:
    def script(request: dict[str, Any]) -> Reply:
        return error(500) if request["model"] == "a" else ToolCalls((("submit_plan", PLAN),))

    server.script = script
    given = context(book, model="openai:a,openai:b")
    assert '"look"' in await roster()["manager"].run(brief(), given)


async def test_replay_plans_without_a_call(server: ScriptedModel, book: ModelBook) -> None:
    server.script = lambda request: ToolCalls(
        (("submit_plan", CYCLE if server.calls == 1 else PLAN),)
    )
    seam = DictSeam()
    made = await plan(book, seam)
    assert await plan(book, seam.replay()) == made
    assert server.calls == 2


@pytest.mark.parametrize(
    ("written", "review", "on_rejection"),
    [
        ({"review": True, "on_rejection": "deliver"}, True, "deliver"),
        ({"review": "yes"}, True, "fail"),
        ({"review": False, "on_rejection": "deliver"}, False, "fail"),
        ({"on_rejection": "deliver"}, False, "fail"),
        ({}, False, "fail"),
    ],
)
async def test_the_manager_may_ask_for_a_review(
    written: dict[str, Any],
    review: bool,
    on_rejection: str,
    server: ScriptedModel,
    book: ModelBook,
) -> None:
    task = {"key": "one", "title": "One", "agent": "content", "instructions": "Write.", **written}
    phases = [{"key": "only", "title": "Only", "tasks": [task]}]
    server.script = lambda request: ToolCalls((("submit_plan", {"phases": phases}),))
    planned = read_planned(await roster()["manager"].run(brief(), context(book)))
    [(_, _, made)] = planned.plan.tasks()
    assert (made.review, made.on_rejection.value, server.calls) == (review, on_rejection, 1)
