"""Requests through the seam: recorded, priced, replayed."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic_ai.messages import ModelRequest
from pydantic_ai.models import ModelRequestParameters

from nexus.domain.seam import CallKind, Json
from nexus.errors import PermanentFailure
from nexus.llm.book import ModelBook
from nexus.llm.counting import tokens_in
from nexus.llm.journalled import load
from tests.agents.fakes import DictSeam, settings
from tests.llm.asking import ask
from tests.scripted_model import Raw, Reply, ScriptedModel

ROOT = Path(__file__).parents[2]
ANSWER = "The shop sells penguins, large and small."
WHOLE = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_760_000_000,
    "model": "gpt-4o-mini",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": ANSWER},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
}


async def test_replay_asks_nobody(server: ScriptedModel, book: ModelBook) -> None:
    server.script = lambda request: f"answer {server.calls}"
    seam = DictSeam()
    assert await ask(book, "hello", seam) == "answer 1"
    assert await ask(book, "hello", seam.replay()) == "answer 1"
    assert await ask(book, "other", seam.replay()) == "answer 2"
    assert server.calls == 2


async def test_what_the_journal_says_of_a_call(server: ScriptedModel, book: ModelBook) -> None:
    seam = DictSeam()
    await ask(book, "hello", seam)
    (call,) = seam.calls
    assert (call.kind, call.name, call.key) == (CallKind.MODEL, "openai:scripted", "")
    assert call.request == {
        "after": 0,
        "messages": [
            {"kind": "instructions", "content": "Answer."},
            {"kind": "user-prompt", "content": "hello"},
        ],
    }


@pytest.mark.parametrize(
    ("model", "cost"),
    [("openai:scripted", None), ("openai:gpt-4o-mini", 27_000_000), ("ollama:llama3", 0)],
)
async def test_usage_and_cost(
    model: str, cost: int | None, server: ScriptedModel, book: ModelBook
) -> None:
    book = ModelBook(settings(openai_base_url=server.base_url, ollama_base_url=server.base_url))
    seam = DictSeam()
    await ask(book, "hello", seam, model=model)
    used = seam.made[0].usage
    assert (used.requests, used.input_tokens, used.output_tokens) == (1, 100, 20)
    assert used.cost_pico_usd == cost
    await book.close()


async def test_a_foreign_record_is_refused() -> None:
    foreign: list[Json] = [None, {}, {"kind": "request", "parts": []}, [1]]
    for value in foreign:
        with pytest.raises(PermanentFailure, match="another version"):
            load(value)


@pytest.mark.parametrize(
    ("model", "priced"),
    [
        ("openai:gpt-4o-mini", True),
        ("openai:gpt-4o-mini,openai:a-model-of-my-own", True),
        ("openai:a-model-of-my-own", False),
    ],
)
async def test_a_name_of_the_servers_own_does_not_make_a_call_free(
    model: str, priced: bool, server: ScriptedModel
) -> None:
    server.script = lambda request: Raw(body=json.dumps({**WHOLE, "model": "engine-7"}))
    book = ModelBook(settings(openai_base_url=server.base_url))
    seam = DictSeam()
    await ask(book, "hello", seam, model=model)
    assert seam.made[0].usage.cost_pico_usd == (27_000_000 if priced else None)
    await book.close()


async def test_a_reply_that_does_not_say_what_it_used_is_counted_by_its_length(
    server: ScriptedModel,
) -> None:
    body = {name: value for name, value in WHOLE.items() if name != "usage"}
    server.script = lambda request: Raw(body=json.dumps(body))
    book = ModelBook(settings(openai_base_url=server.base_url))
    seam = DictSeam()
    await ask(book, "hello " * 100, seam, model="openai:gpt-4o-mini")
    used = seam.made[0].usage
    assert used.input_tokens > 100
    assert used.output_tokens == tokens_in(ANSWER)
    assert used.cost_pico_usd
    await book.close()


FINGERPRINTS = """
import asyncio
from pydantic_ai import Agent
from tests.agents.fakes import DictSeam, context, brief, settings
from tests.scripted_model import PLAN, ScriptedModel, ToolCalls
from nexus.agents.roster import roster
from nexus.llm.book import ModelBook

async def main():
    async with ScriptedModel() as server:
        server.script = lambda r: ToolCalls((("submit_plan", PLAN if server.calls > 1 else {}),))
        book = ModelBook(settings(model="openai:m", openai_base_url=server.base_url))
        seam = DictSeam()
        await roster()["manager"].run(brief(), context(book, seam))
        print([call.fingerprint for call in seam.calls])
        await book.close()

asyncio.run(main())
"""


def test_two_processes_agree_on_fingerprints() -> None:
    printed = [
        subprocess.run(
            [sys.executable, "-c", FINGERPRINTS],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert printed[0] == printed[1]
    assert printed[0].count(",") == 2  # the mode is a step, then come two requests


async def test_a_thousand_calls_are_open_at_once(server: ScriptedModel, book: ModelBook) -> None:
    everyone = asyncio.Event()

    async def meet(request: object) -> Reply:
        if server.open == 1_000:
            everyone.set()
        await everyone.wait()
        return "together"

    server.script = meet
    model, asked = book.resolve(), [ModelRequest.user_text_prompt("hello")]
    async with asyncio.TaskGroup() as group:
        for _ in range(1_000):
            group.create_task(model.request([*asked], None, ModelRequestParameters()))
    assert (server.calls, server.max_open) == (1_000, 1_000)
