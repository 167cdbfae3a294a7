"""Everything a server can do wrong becomes an error that a person can read."""

import asyncio
import json

import pytest

from nexus.errors import PermanentFailure, TransientFailure
from nexus.llm.book import ModelBook
from tests.agents.fakes import DictSeam, settings
from tests.llm.asking import ask
from tests.scripted_model import HangUp, Raw, Reply, ScriptedModel, error

QUOTA = json.dumps({"error": {"message": "no credit", "code": "insufficient_quota"}})


@pytest.mark.parametrize(
    ("reply", "code", "wait"),
    [
        (error(429, retry_after="7"), "model_rate_limited", 7.0),
        (error(429), "model_rate_limited", 2.0),
        (error(500), "model_unavailable", None),
        (error(503, retry_after="2"), "model_unavailable", 2.0),
        (error(408), "model_unavailable", None),
        (Raw(502, "<html>bad gateway", content_type="text/html"), "model_unavailable", None),
        (HangUp(), "model_unreachable", None),
        (Raw(body='{"choices": [{"index"', cut=True), "model_unreachable", None),
    ],
)
async def test_what_may_pass_is_transient(
    reply: Reply, code: str, wait: float | None, server: ScriptedModel, book: ModelBook
) -> None:
    server.script = lambda request: reply
    with pytest.raises(TransientFailure) as found:
        await ask(book, "hello")
    assert (found.value.reason, found.value.retry_after_seconds) == (code, wait)
    assert "openai:scripted at 127.0.0.1" in found.value.message


@pytest.mark.parametrize(
    ("reply", "code", "said"),
    [
        (error(401, "sk-secret is wrong"), "model_key_refused", "401"),
        (error(403), "model_key_refused", "403"),
        (error(404, "no such model"), "model_not_found", "does not exist"),
        (error(400, "tools are not supported"), "model_request", "tools are not supported"),
        (error(422), "model_request", "422"),
        (Raw(429, QUOTA), "model_quota", "quota"),
    ],
)
async def test_what_cannot_pass_is_permanent(
    reply: Reply, code: str, said: str, server: ScriptedModel, book: ModelBook
) -> None:
    server.script = lambda request: reply
    with pytest.raises(PermanentFailure, match=said) as found:
        await ask(book, "hello")
    assert found.value.reason == code
    assert found.value.hint
    assert "sk-secret" not in found.value.message


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        "{}",
        "3",
        '"x"',
        "<html>",
        '{"choices": []}',
        '{"choices": null}',
        '{"choices": "abc"}',
        '{"choices": [3]}',
        '{"choices": [{"index": 0, "fin',
        '{"error": {"message": "boom"}}',
        '{"choices": [{"index": 0, "finish_reason": "stop", "message": null}]}',
        '{"choices": [{"message": {"role": "assistant", "content": 5}}]}',
        b"\xff\xfe{",
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", "text/html"])
async def test_garbage_is_transient_and_never_recorded(
    body: str | bytes, content_type: str, server: ScriptedModel, book: ModelBook
) -> None:
    server.script = lambda request: Raw(body=body, content_type=content_type)
    seam = DictSeam()
    with pytest.raises(TransientFailure, match="not a model's reply") as found:
        await ask(book, "hello", seam)
    assert found.value.reason == "model_garbled"
    assert seam.records == {}


async def test_a_refused_connection_names_the_host() -> None:
    async with ScriptedModel() as gone:
        base_url = gone.base_url
    book = ModelBook(settings(model="openai:x", openai_base_url=base_url))
    with pytest.raises(TransientFailure, match=r"openai:x at 127\.0\.0\.1:\d+ cannot be reached"):
        await ask(book, "hello")
    await book.close()


async def test_an_unknown_host_is_transient() -> None:
    book = ModelBook(settings(model="openai:x", openai_base_url="http://nowhere.invalid/v1"))
    with pytest.raises(TransientFailure, match=r"nowhere\.invalid cannot be reached"):
        await ask(book, "hello")
    await book.close()


async def test_a_slow_model_is_cut_off(server: ScriptedModel) -> None:
    async def never(request: object) -> Reply:
        await asyncio.Event().wait()
        return ""

    server.script = never
    book = ModelBook(
        settings(model="openai:slow", openai_base_url=server.base_url, model_timeout_seconds=0.2)
    )
    with pytest.raises(TransientFailure, match="did not answer in time"):
        await ask(book, "hello")
    await book.close()


async def test_cancelling_cancels_the_request(server: ScriptedModel, book: ModelBook) -> None:
    left = asyncio.Event()

    async def wait(request: object) -> Reply:
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        return ""

    server.script = wait
    asking = asyncio.create_task(ask(book, "hello"))
    await server.wait_for_calls(1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "content": "hi"},
        {"content": "hi"},
    ],
)
async def test_formal_fields_may_be_missing(
    message: dict[str, str], server: ScriptedModel, book: ModelBook
) -> None:
    server.script = lambda request: Raw(body=json.dumps({"choices": [{"message": message}]}))
    assert await ask(book, "hello") == "hi"
