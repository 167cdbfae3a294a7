"""Replies as small servers write them: what only OpenAI itself insists on may be missing or odd."""

import json
from typing import Any

import pytest
from pydantic_ai import Agent

from nexus.llm.book import ModelBook
from tests.scripted_model import Raw, Reply, ScriptedModel

SAID: dict[str, Any] = {"role": "assistant", "content": "Fine."}
CHOICE: dict[str, Any] = {"index": 0, "finish_reason": "stop", "message": SAID}
WHOLE: dict[str, Any] = {
    "id": "x",
    "object": "chat.completion",
    "created": 1,
    "model": "any",
    "choices": [CHOICE],
}


def choosing(**fields: Any) -> dict[str, Any]:
    """Write a completion with other fields in its choice."""
    return {**WHOLE, "choices": [{**CHOICE, **fields}]}


@pytest.mark.parametrize(
    "body",
    [
        {"choices": [{"message": {"content": "Fine."}}]},
        {**WHOLE, "created": "2026-01-01"},
        {**WHOLE, "created": 1.5},
        {**WHOLE, "service_tier": "own"},
        choosing(logprobs=[]),
        choosing(finish_reason="eos"),
        choosing(finish_reason=None),
        choosing(message={**SAID, "role": "model"}),
        choosing(message={**SAID, "tool_calls": None}),
        choosing(message={**SAID, "tool_calls": []}),
        choosing(message={**SAID, "content": [{"type": "text", "text": "Fine."}]}),
    ],
)
async def test_an_odd_reply_is_understood(
    body: dict[str, Any], server: ScriptedModel, book: ModelBook
) -> None:
    server.script = lambda request: Raw(body=json.dumps(body))
    assert (await Agent(book.resolve()).run("hello")).output == "Fine."


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 7}, (5, 7)),
        ({"prompt_tokens": None, "completion_tokens": 7, "total_tokens": 7}, (0, 7)),
        ({"prompt_tokens": 5, "completion_tokens": -7, "total_tokens": -2}, (5, 0)),
        ({"prompt_tokens": 10**25, "completion_tokens": 7}, (0, 7)),
        ({"total_tokens": 3}, (0, 0)),
        ({}, (0, 0)),
        (None, (0, 0)),
        ("much", (0, 0)),
    ],
)
async def test_usage_is_counted_as_far_as_it_is_told(
    usage: Any, counted: tuple[int, int], server: ScriptedModel, book: ModelBook
) -> None:
    server.script = lambda request: Raw(body=json.dumps({**WHOLE, "usage": usage}))
    used = (await Agent(book.resolve()).run("hello")).usage
    assert (used.input_tokens, used.output_tokens) == counted


@pytest.mark.parametrize(
    ("arguments", "number"),
    [('{"number": 3}', 3), ({"number": 3}, 3), ("", 0), (None, 0), ({}, 0)],
)
async def test_arguments_of_a_tool_may_be_an_object(
    arguments: Any, number: int, server: ScriptedModel, book: ModelBook
) -> None:
    call = {"function": {"name": "take", "arguments": arguments}}
    first = choosing(message={"role": "assistant", "content": None, "tool_calls": [call]})
    replies: list[Reply] = [Raw(body=json.dumps(first)), "Fine."]
    server.script = lambda request: replies[min(server.calls, 2) - 1]
    taken: list[int] = []
    agent = Agent(book.resolve())

    @agent.tool_plain
    def take(number: int = 0) -> str:
        taken.append(number)
        return "taken"

    assert (await agent.run("hello")).output == "Fine."
    assert taken == [number]
