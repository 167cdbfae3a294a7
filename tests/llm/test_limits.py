"""Rate limits, broken circuits and caps: who is asked, how often, and what waits."""

import asyncio

import pytest

from nexus.errors import NotNow, TransientFailure
from nexus.llm.book import ModelBook
from nexus.llm.limiter import FAILURES
from nexus.llm.quota import Quota
from tests.agents.fakes import settings
from tests.llm.asking import ask
from tests.scripted_model import Raw, Reply, Script, ScriptedModel, error

OK = Raw(body='{"choices": [{"message": {"content": "yes"}}]}')
CHAIN = "openai:first,ollama:second"


def by_model(replies: dict[str, Reply]) -> Script:
    """Make a script that answers for several models."""
    return lambda request: replies[request["model"]]


async def test_a_limited_model_is_not_asked_again_before_its_time(
    server: ScriptedModel, book: ModelBook
) -> None:
    server.script = lambda request: error(429, retry_after="30")
    with pytest.raises(NotNow):
        await ask(book, "one")
    with pytest.raises(NotNow, match="asked again in") as found:
        await ask(book, "two")
    assert server.calls == 1
    assert 25 < (found.value.retry_after_seconds or 0) <= 30
    await book.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m30s"},
        {
            "anthropic-ratelimit-requests-remaining": "0",
            "anthropic-ratelimit-requests-reset": "2999-01-01T00:00:00Z",
        },
    ],
)
async def test_headers_close_the_limiter_before_a_refusal(
    headers: dict[str, str], server: ScriptedModel, book: ModelBook
) -> None:
    server.script = lambda request: Raw(body=OK.body, headers=headers)
    assert await ask(book, "one") == "yes"
    with pytest.raises(NotNow) as found:
        await ask(book, "two")
    assert (server.calls, (found.value.retry_after_seconds or 0) > 80) == (1, True)


async def test_a_chain_leaves_a_limited_and_a_broken_first_model_alone(
    server: ScriptedModel,
) -> None:
    for reply, calls in ((error(429, retry_after="30"), 1), (error(500), FAILURES)):
        server.script = by_model({"first": reply, "second": OK})
        book = ModelBook(settings(openai_base_url=server.base_url, ollama_base_url=server.base_url))
        before = server.calls
        for number in range(FAILURES * 2):
            assert await ask(book, f"question {number}", model=CHAIN) == "yes"
        asked = [request["model"] for request in server.requests[before:]]
        assert (asked.count("first"), asked.count("second")) == (calls, FAILURES * 2)
        await book.close()


async def test_one_model_alone_is_asked_however_often_it_failed(
    server: ScriptedModel, book: ModelBook
) -> None:
    server.script = lambda request: error(500)
    for number in range(FAILURES * 2):
        with pytest.raises(TransientFailure):
            await ask(book, f"question {number}")
    assert server.calls == FAILURES * 2


async def test_a_cap_bounds_what_is_open_to_a_provider(server: ScriptedModel) -> None:
    release = asyncio.Event()

    async def wait(request: object) -> Reply:
        await release.wait()
        return OK

    server.script = wait
    book = ModelBook(settings(openai_base_url=server.base_url, provider_concurrency={"openai": 3}))
    asking = [
        asyncio.create_task(ask(book, f"q{number}", model=f"openai:m{number % 2}"))
        for number in range(8)
    ]
    await server.wait_for_calls(3)
    release.set()
    assert await asyncio.gather(*asking) == ["yes"] * 8
    assert server.max_open == 3
    await book.close()


def test_a_quota_learns_what_passes_and_gives_the_others_their_turn() -> None:
    quota = Quota()
    assert quota.admit(100.0, 12) == (0.0,) * 12
    for _ in range(2):
        quota.refuse(100.1, 1.0)
    assert quota.admit(100.5, 2) == pytest.approx((0.6, 0.6))
    waits = quota.admit(101.2, 25)
    assert waits.count(0.0) == 11  # ten passed; one more is tried
    assert waits[11:] == pytest.approx((1.0,) * 11 + (2.0,) * 3)
    assert quota.admit(200.0, 50) == (0.0,) * 50  # forgotten
