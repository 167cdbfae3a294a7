"""What providers can keep of a prompt stays the same: every request goes on where another stopped."""

import json
import os
from typing import Any

import pytest

from nexus.agents.roster import roster
from nexus.domain.work import TaskBrief
from nexus.llm.book import ModelBook
from tests.agents.fakes import PENGUINS, Found, ListMemory, brief, context
from tests.scripted_model import Reply, ScriptedModel, ToolCalls

ROUNDS = 4


def written(part: object) -> str:
    """Write a part of a request as it goes over the wire."""
    return json.dumps(part, ensure_ascii=False)


def turns(request: dict[str, Any]) -> Reply:
    """Call a tool a few times, then answer; ids are the server's own and never the same."""
    done = sum(message["role"] == "tool" for message in request["messages"])
    if done < ROUNDS - 1:
        return ToolCalls((("list_files", {"n": done}),), ids=(f"call_{os.urandom(4).hex()}",))
    return "An answer."


@pytest.mark.parametrize("name", ["research", "code", "content", "data"])
async def test_each_round_of_a_subtask_only_adds_to_the_one_before(
    name: str, server: ScriptedModel, book: ModelBook
) -> None:
    server.script = turns
    memory = ListMemory([Found("Adelie: 3.7 kg")])
    await roster()[name].run(brief(documents=(PENGUINS,)), context(book, memory=memory))
    assert server.calls == ROUNDS
    for earlier, later in zip(server.requests, server.requests[1:], strict=False):
        assert written(later["tools"]) == written(earlier["tools"])
        assert written(later["messages"]).startswith(written(earlier["messages"])[:-1])
        assert {k: v for k, v in later.items() if k != "messages"} == {
            k: v for k, v in earlier.items() if k != "messages"
        }


@pytest.mark.parametrize("name", ["research", "code", "content", "data", "qa"])
async def test_subtasks_of_an_agent_begin_alike(
    name: str, server: ScriptedModel, book: ModelBook
) -> None:
    """Instructions, tools and the goal come first; what differs between tasks comes after them."""
    for key in ("one", "two"):
        given = brief(task=TaskBrief(key, f"Task {key}", name), instructions=f"Do {key}.")
        await roster()[name].run(given, context(book, memory=ListMemory([Found(key)])))
    first, second = server.requests
    assert written(first["messages"][0]) == written(second["messages"][0])
    assert written(first.get("tools")) == written(second.get("tools"))
    assert list(first) == list(second)
    for request in server.requests:
        prompt = request["messages"][1]["content"]
        assert prompt.startswith("<goal>\nCompare penguins\n</goal>\n<task")
