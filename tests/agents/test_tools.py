"""Granted tools, over a scripted model and small tools of our own."""

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic_ai import Agent

from nexus.agents.context import Context
from nexus.agents.conversation import converse
from nexus.agents.toolset import GrantedTools
from nexus.domain.seam import CallKind, Effect, Json
from nexus.errors import Misconfigured, OutputInvalid, ServiceMissing, ToolRefused, TransientFailure
from nexus.llm.book import ModelBook
from tests.agents.fakes import DictSeam, context
from tests.scripted_model import Reply, ScriptedModel, ToolCalls


class Adder:
    """A tool that adds, refuses negative numbers and fails as told."""

    name = "add"
    description = "Add two numbers."
    effect = Effect.IDEMPOTENT
    schema: Mapping[str, Any] = {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    }

    def __init__(self, failure: Exception | None = None) -> None:
        self.keys: list[str] = []
        self.failure = failure

    async def call(self, scope: object, arguments: Mapping[str, Json], key: str) -> Json:
        self.keys.append(key)
        if self.failure:
            raise self.failure
        a, b = arguments.get("a"), arguments.get("b")
        if not isinstance(a, int) or not isinstance(b, int) or a < 0:
            raise ToolRefused("add takes two numbers, a not below 0")
        return {"sum": a + b}


async def run(
    server: ScriptedModel, book: ModelBook, adder: Any, *calls: Reply, seam: DictSeam | None = None
) -> str:
    """Let the model make `calls`, then answer with what it was told last."""

    def script(request: dict[str, Any]) -> Reply:
        turn = sum(message["role"] == "assistant" for message in request["messages"])
        return calls[turn] if turn < len(calls) else str(request["messages"][-1]["content"])

    server.script = script
    agent = Agent(
        deps_type=Context,
        output_type=str,
        toolsets=[GrantedTools(("add",), {"add": adder})],
        retries={"tools": 2, "output": 0},
    )
    return await converse(agent, "add", context(book, seam), instructions="You add.")


def add(a: int, b: int) -> ToolCalls:
    return ToolCalls((("add", {"a": a, "b": b}),))


async def test_a_call_passes_the_seam_under_its_id(server: ScriptedModel, book: ModelBook) -> None:
    adder, seam = Adder(), DictSeam()
    assert await run(server, book, adder, add(1, 2), seam=seam) == '{"sum":3}'
    (call,) = seam.of(CallKind.TOOL)
    sent = server.requests[1]["messages"][2]["tool_calls"][0]["id"]
    assert (call.name, call.key, call.effect) == ("add", sent, Effect.IDEMPOTENT)
    assert call.request == {"a": 1, "b": 2}
    assert len(adder.keys) == 1


async def test_replay_makes_no_call(server: ScriptedModel, book: ModelBook) -> None:
    adder, seam = Adder(), DictSeam()
    first = await run(server, book, adder, add(1, 2), add(2, 2), seam=seam)
    assert await run(server, book, adder, seam=seam.replay()) == first
    assert (server.calls, len(adder.keys)) == (3, 2)


async def test_a_refusal_is_read_by_the_model_and_recorded(
    server: ScriptedModel, book: ModelBook
) -> None:
    seam = DictSeam()
    said = await run(server, book, Adder(), add(-1, 2), seam=seam)
    assert said == '{"error":"add takes two numbers, a not below 0"}'
    assert [made.outcome for made in seam.made] == ["ok", "refused", "ok"]


async def test_a_service_out_of_reach_is_an_observation(
    server: ScriptedModel, book: ModelBook
) -> None:
    said = await run(server, book, Adder(ServiceMissing("Chroma is out of reach")), add(1, 2))
    assert "Chroma is out of reach" in said


async def test_an_engine_failure_ends_the_run(server: ScriptedModel, book: ModelBook) -> None:
    with pytest.raises(TransientFailure, match="later"):
        await run(server, book, Adder(TransientFailure("later")), add(1, 2))


@pytest.mark.parametrize("arguments", ["[1, 2]", '"text"', "3", '{"a": NaN}'])
async def test_arguments_that_are_no_object_are_refused(
    arguments: str, server: ScriptedModel, book: ModelBook
) -> None:
    said = await run(server, book, Adder(), ToolCalls((("add", arguments),)))
    assert "JSON object" in said or "object" in said.lower()


async def test_a_tool_not_granted_is_refused(server: ScriptedModel, book: ModelBook) -> None:
    adder = Adder()
    said = await run(server, book, adder, ToolCalls((("rm", {}),)))
    assert "rm" in said
    assert adder.keys == []


async def test_insisting_on_it_is_the_end(server: ScriptedModel, book: ModelBook) -> None:
    wrong = ToolCalls((("rm", {}),))
    with pytest.raises(OutputInvalid):
        await run(server, book, Adder(), *[wrong] * 9)
    assert server.calls <= 5


async def test_parallel_calls_with_one_id_are_told_apart(
    server: ScriptedModel, book: ModelBook
) -> None:
    adder, seam = Adder(), DictSeam()
    both = ToolCalls((("add", {"a": 1, "b": 1}), ("add", {"a": 2, "b": 2})), ids=("same", "same"))
    again = ToolCalls((("add", {"a": 3, "b": 3}),), ids=("same",))
    await run(server, book, adder, both, again, seam=seam)
    keys = [call.key for call in seam.of(CallKind.TOOL)]
    assert len(set(keys)) == 3
    assert all(len(key) == 9 and key.isalnum() for key in keys)
    answers = [m["content"] for m in server.requests[-1]["messages"] if m["role"] == "tool"]
    assert answers == ['{"sum":2}', '{"sum":4}', '{"sum":6}']


def test_granting_what_does_not_exist_is_refused() -> None:
    with pytest.raises(Misconfigured, match="fly"):
        GrantedTools(("fly",), {})
