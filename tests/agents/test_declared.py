"""Declared agents over a scripted model: their words, tools, model and limits."""

import asyncio
from typing import Any

import pytest

from nexus.agents.declared import spec_of
from nexus.domain.declared import AgentDeclaration
from nexus.errors import LimitReached
from nexus.llm.book import ModelBook
from tests.agents.fakes import DictSeam, brief, context
from tests.scripted_model import Reply, ScriptedModel, ToolCalls


def _declare(**fields: Any) -> AgentDeclaration:
    given = {"name": "poet", "description": "Writes.", "prompt": "Verse for {{ tools }}.", **fields}
    return AgentDeclaration.model_validate(given)


async def test_its_words_its_tools_and_its_limits_reach_the_model(
    server: ScriptedModel, book: ModelBook
) -> None:
    server.script = lambda request: "A rose."
    declared = _declare(tools=["read_file"], limits={"max_output_tokens": 77})
    assert await spec_of(declared).run(brief(), context(book)) == "A rose."
    request = server.requests[0]
    system = request["messages"][0]["content"]
    assert system.startswith("You are the poet agent of Nexus.\n\nVerse for {{ tools }}.\n\n- What")
    assert [one["function"]["name"] for one in request["tools"]] == ["read_file"]
    assert request.get("max_tokens", request.get("max_completion_tokens")) == 77


async def test_its_model_goes_before_the_projects(server: ScriptedModel, book: ModelBook) -> None:
    await spec_of(_declare(model="openai:other")).run(brief(), context(book))
    assert server.requests[0]["model"] == "other"


async def test_a_replayed_run_asks_nobody(server: ScriptedModel, book: ModelBook) -> None:
    seam, run = DictSeam(), spec_of(_declare()).run
    first = await run(brief(), context(book, seam))
    assert await run(brief(), context(book, seam.replay())) == first
    assert server.calls == 1


async def test_a_model_that_calls_on_is_stopped_at_its_limit(
    server: ScriptedModel, book: ModelBook
) -> None:
    server.script = lambda request: ToolCalls((("list_files", {"path": "."}),))
    declared = _declare(tools=["list_files"], limits={"max_model_calls": 3})
    with pytest.raises(LimitReached, match="asked its model 3 times"):
        await spec_of(declared).run(brief(), context(book))
    assert server.calls == 3


async def test_a_model_that_takes_too_long_is_left(server: ScriptedModel, book: ModelBook) -> None:
    over = asyncio.Event()

    async def script(request: dict[str, Any]) -> Reply:
        await over.wait()
        return "late"

    server.script = script
    with pytest.raises(LimitReached, match=r"poet was not done after its 0\.2 seconds"):
        await spec_of(_declare(limits={"timeout_seconds": 0.2})).run(brief(), context(book))
    over.set()
