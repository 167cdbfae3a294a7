"""A streamed reply is recorded as the whole one would have been; one that breaks off never is."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic_ai.messages import ModelRequest, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import ToolDefinition

from nexus.domain.deltas import Speaker
from nexus.errors import TransientFailure
from nexus.llm.book import ModelBook
from nexus.llm.journalled import JournalledModel
from nexus.llm.listening import Voice
from tests.agents.fakes import DictSeam, settings
from tests.llm.asking import ask
from tests.scripted_model import Raw, Reply, ScriptedModel, ToolCalls, error
from tests.scripted_stream import Streamed

SPEAKER = Speaker("prj_1", "tsk_1", "sub_1", 1)
TOOL = ToolDefinition(name="look", parameters_json_schema={"type": "object", "properties": {}})
WORDS = Streamed(("Ad", "elie ", "", "pengüins."))


@dataclass
class Heard:
    """A line on which somebody listens; keeps what was said."""

    is_watched: bool = True
    said: list[tuple[int, str]] = field(default_factory=list)
    calls: set[str] = field(default_factory=set)

    async def is_heard(self, topics: Collection[str]) -> bool:
        return self.is_watched and "prj_1" in topics

    def say(self, speaker: Speaker, call: str, offset: int, text: str) -> None:
        assert speaker == SPEAKER
        self.said.append((offset, text))
        self.calls.add(call)


def open_book(server: ScriptedModel, **values: Any) -> ModelBook:
    return ModelBook(settings(model="openai:one", openai_base_url=server.base_url, **values))


@pytest.fixture
async def model_book(server: ScriptedModel) -> AsyncIterator[ModelBook]:
    models = open_book(server)
    yield models
    await models.close()


async def record(
    book: ModelBook, line: Heard | None, *, model: str = "openai:one"
) -> tuple[Any, DictSeam]:
    """Make one request; return what was recorded of it, without what differs each time."""
    seam = DictSeam()
    voice = None if line is None else Voice(line, SPEAKER)
    journalled = JournalledModel(book.resolve(model), seam, name=model, voice=voice)
    message = ModelRequest(parts=[UserPromptPart("hello")])
    parameters = ModelRequestParameters(function_tools=[TOOL])
    await journalled.request([message], None, parameters)
    (made,) = seam.made
    value: Any = made.value
    value.pop("timestamp", None)
    value.pop("provider_response_id", None)
    return [value, repr(made.usage)], seam


@pytest.mark.parametrize(
    "reply",
    [
        WORDS,
        "One sentence. " * 2_000,
        ToolCalls((("look", {"where": "Ürümqi", "n": [1, 2]}), ("look", {})), ids=("a", "b")),
        ToolCalls((("look", '{"broken": '),), content="I look.", ids=("a",)),
        "",
    ],
)
async def test_what_is_recorded_is_the_same(
    reply: Reply, server: ScriptedModel, model_book: ModelBook
) -> None:
    server.script = lambda request: reply
    line = Heard()
    streamed, _ = await record(model_book, line)
    whole, _ = await record(model_book, None)
    assert streamed == whole
    assert [one.get("stream") for one in server.requests] == [True, False]
    assert server.requests[0]["stream_options"] == {"include_usage": True}
    assert len(line.calls) <= 1


async def test_words_are_heard_in_order_with_their_place(
    server: ScriptedModel, model_book: ModelBook
) -> None:
    server.script = lambda request: WORDS
    line = Heard()
    await record(model_book, line)
    assert line.said == [(0, "Ad"), (2, "elie "), (7, "pengüins.")]


async def test_where_nobody_listens_nothing_is_streamed(
    server: ScriptedModel, model_book: ModelBook
) -> None:
    await record(model_book, Heard(is_watched=False))
    assert server.requests[0]["stream"] is False


async def test_a_replay_asks_and_says_nothing(server: ScriptedModel, model_book: ModelBook) -> None:
    line = Heard()
    _, seam = await record(model_book, line)
    said = list(line.said)
    journalled = JournalledModel(
        model_book.resolve(), seam.replay(), name="openai:one", voice=Voice(line, SPEAKER)
    )
    message = ModelRequest(parts=[UserPromptPart("hello")])
    parameters = ModelRequestParameters(function_tools=[TOOL])
    await journalled.request([message], None, parameters)
    assert (line.said, server.calls) == (said, 1)


def refusing(request: dict[str, Any]) -> Reply:
    """A server that knows no streams."""
    return error(400, "unknown field") if request.get("stream") else "whole"


@pytest.mark.parametrize(
    ("script", "asked"),
    [
        (refusing, [True, False, False]),
        (lambda request: Streamed(("whole",), counts=False), [True, False]),
    ],
)
async def test_a_server_that_cannot_stream_well_is_asked_for_whole_replies(
    script: Any, asked: list[bool], server: ScriptedModel, model_book: ModelBook
) -> None:
    server.script = script
    for _ in range(2):
        (value, _), _ = await record(model_book, Heard())
        assert value["parts"][0]["content"] == "whole"
    assert [one["stream"] for one in server.requests] == asked


async def test_a_server_that_had_a_bad_start_is_asked_for_streams_again(
    server: ScriptedModel, model_book: ModelBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexus.llm.direct.REFUSED_SECONDS", 0.0)
    replies: Iterator[Reply] = iter([error(400, "still loading"), "whole", WORDS])
    server.script = lambda request: next(replies)
    line = Heard()
    await record(model_book, line)
    await record(model_book, line)
    assert [one["stream"] for one in server.requests] == [True, False, True]
    assert [text for _, text in line.said] == ["Ad", "elie ", "pengüins."]


async def test_a_server_that_ignores_the_wish_is_asked_once(
    server: ScriptedModel, model_book: ModelBook
) -> None:
    server.streams = False
    await record(model_book, Heard())
    await record(model_book, Heard())
    assert [one["stream"] for one in server.requests] == [True, False]


BROKEN = [
    (Streamed(("half a ",), cut=True), "model_unreachable"),
    (Streamed(("half a ",), is_finished=False), "model_stream_broken"),
    (Streamed(("half a ",), stall=True), "model_timeout"),
    (Raw(body="data: {not json}\n\n", content_type="text/event-stream"), "model_garbled"),
    (Raw(body="data: 3\n\n", content_type="text/event-stream"), "model_garbled"),
    (Raw(body="", content_type="text/event-stream"), "model_garbled"),
    (Raw(body='{"choices": [{"index": 0, "message": {}}]}', cut=True), "model_unreachable"),
    (Raw(body="<html>", content_type="text/html"), "model_garbled"),
    (
        Raw(body='data: {"error": {"message": "boom"}}\n\n', content_type="text/event-stream"),
        "model_unavailable",
    ),
    (error(500), "model_unavailable"),
    (error(429, retry_after="3"), "model_rate_limited"),
]


@pytest.mark.parametrize(("reply", "code"), BROKEN)
async def test_a_stream_that_breaks_off_is_transient_and_never_recorded(
    reply: Reply, code: str, server: ScriptedModel
) -> None:
    server.script = lambda request: reply
    book = open_book(server, model_first_token_seconds=0.3)
    seam = DictSeam()
    with pytest.raises(TransientFailure) as found:
        await ask(book, "hello", seam)
    assert found.value.reason == code
    assert "openai:one at 127.0.0.1" in found.value.message
    assert found.value.__cause__ is not found.value
    assert seam.records == {}
    await book.close()


@pytest.mark.parametrize("reply", [Streamed(("half a ",), cut=True), Streamed((), stall=True)])
async def test_the_next_model_of_a_chain_answers_from_the_beginning(
    reply: Reply, server: ScriptedModel
) -> None:
    server.script = lambda request: reply if request["model"] == "one" else WORDS
    book = open_book(server, model_first_token_seconds=0.3)
    line = Heard()
    (value, _), _ = await record(book, line, model="openai:one,openai:two")
    assert value["parts"][0]["content"] == "Adelie pengüins."
    assert [text for _, text in line.said][-3:] == ["Ad", "elie ", "pengüins."]
    assert [offset for offset, _ in line.said][-3:] == [0, 2, 7]
    await book.close()


async def test_a_model_that_writes_for_long_is_not_cut_off_by_the_first_limit(
    server: ScriptedModel,
) -> None:
    async def pause(at: int) -> None:
        await asyncio.sleep(0.05)

    server.script = lambda request: Streamed(tuple("slow and long"), between=pause)
    book = open_book(server, model_first_token_seconds=0.4)
    assert await ask(book, "hello") == "slow and long"
    await book.close()


async def test_the_whole_call_has_its_limit_too(server: ScriptedModel) -> None:
    server.script = lambda request: Streamed(("on ", "and "), stall=True)
    book = open_book(server, model_timeout_seconds=0.3)
    with pytest.raises(TransientFailure) as found:
        await record(book, Heard())
    assert found.value.reason == "model_timeout"
    await book.close()
